"""What each node needs to read: the objects that pods on it refer to, kept up to date from the cache's changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.api.types.core.v1 import Container, EphemeralContainer, PersistentVolume, Pod, Volume
from pilothouse.api.types.resource.v1 import ResourceSlice
from pilothouse.api.types.storage.v1 import VolumeAttachment
from pilothouse.apiserver.reader import Reader


class Vertex(NamedTuple):
    """An object: its resource (plural), namespace and name."""

    resource: str
    namespace: str
    name: str


class NodeGraph:
    """Answers whether a node is related to an object."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._nodes: dict[Vertex, dict[str, int]] = {}
        self._claims_of_secret: dict[Vertex, dict[Vertex, int]] = {}
        reader.observe(Pod, self._pod_changed)
        reader.observe(PersistentVolume, self._volume_changed)

    def related(self, node: str, target: Vertex) -> bool:
        """Whether an object is one that `node` may see because of a pod on it, or because it is the node's own."""
        if node in self._nodes.get(target, ()):
            return True
        match target.resource:
            case "secrets":
                return any(node in self._nodes.get(c, ()) for c in self._claims_of_secret.get(target, ()))
            case "persistentvolumes":
                volume = self._reader.get(PersistentVolume, target.name)
                claim = _claim_of(volume) if volume else None
                return claim is not None and node in self._nodes.get(claim, ())
            case "volumeattachments":
                attachment = self._reader.get(VolumeAttachment, target.name)
                return attachment is not None and attachment.spec.node_name == node
            case "resourceslices":
                found = self._reader.get(ResourceSlice, target.name)
                return found is not None and found.spec.node_name == node
        return False

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        before = old.spec.node_name if old is not None else ""
        after = new.spec.node_name if new is not None else ""
        if not before and not after:
            return
        if old is not None and new is not None and before == after and _same_references(old, new):
            return
        if old is not None and before:
            for vertex in _references(old):
                self._drop(vertex, before)
        if new is not None and after:
            for vertex in _references(new):
                counts = self._nodes.setdefault(vertex, {})
                counts[after] = counts.get(after, 0) + 1

    def _drop(self, vertex: Vertex, node: str) -> None:
        counts = self._nodes.get(vertex)
        if counts is None or node not in counts:
            return
        counts[node] -= 1
        if not counts[node]:
            del counts[node]
        if not counts:
            del self._nodes[vertex]

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> None:
        for volume, step in ((old, -1), (new, 1)):
            claim = _claim_of(volume) if volume is not None else None
            if volume is None or claim is None:
                continue
            for secret in _volume_secrets(volume):
                counts = self._claims_of_secret.setdefault(secret, {})
                counts[claim] = counts.get(claim, 0) + step
                if not counts[claim]:
                    del counts[claim]


def _same_references(old: Pod, new: Pod) -> bool:
    # Whatever a pod refers to is in its spec, whose every change moves the generation, or in the claims it was given.
    if old.metadata.uid != new.metadata.uid or old.metadata.generation != new.metadata.generation:
        return False
    return old.status.resource_claim_statuses == new.status.resource_claim_statuses


def _references(pod: Pod) -> set[Vertex]:
    namespace = pod.metadata.namespace
    found = {Vertex("pods", namespace, pod.metadata.name)}
    if pod.spec.service_account_name:
        found.add(Vertex("serviceaccounts", namespace, pod.spec.service_account_name))
    found.update(Vertex("secrets", namespace, name) for name in secret_names(pod))
    found.update(Vertex("configmaps", namespace, name) for name in configmap_names(pod))
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.add(Vertex("persistentvolumeclaims", namespace, volume.persistent_volume_claim.claim_name))
        elif volume.ephemeral is not None:
            found.add(Vertex("persistentvolumeclaims", namespace, f"{pod.metadata.name}-{volume.name}"))
    for claim in pod.spec.resource_claims:
        if claim.resource_claim_name:
            found.add(Vertex("resourceclaims", namespace, claim.resource_claim_name))
    for status in pod.status.resource_claim_statuses:
        if status.resource_claim_name:
            found.add(Vertex("resourceclaims", namespace, status.resource_claim_name))
    return found


def containers_of(pod: Pod) -> Iterator[Container | EphemeralContainer]:
    """Init containers, containers, ephemeral containers."""
    yield from pod.spec.init_containers
    yield from pod.spec.containers or ()
    yield from pod.spec.ephemeral_containers


def secret_names(pod: Pod) -> Iterator[str]:
    """Every Secret that the pod names: for pulling images, in environments and in volumes."""
    for reference in pod.spec.image_pull_secrets:
        yield reference.name
    for container in containers_of(pod):
        for source in container.env_from:
            if source.secret_ref is not None:
                yield source.secret_ref.name
        for variable in container.env:
            if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
                yield variable.value_from.secret_key_ref.name
    for volume in pod.spec.volumes:
        yield from _secrets_of_volume(volume)


def _secrets_of_volume(volume: Volume) -> Iterator[str]:
    if volume.secret is not None:
        yield volume.secret.secret_name
    if volume.projected is not None:
        for source in volume.projected.sources or ():
            if source.secret is not None:
                yield source.secret.name
    for driver in (volume.cephfs, volume.rbd, volume.iscsi, volume.storageos, volume.scale_io, volume.flex_volume):
        if driver is not None and driver.secret_ref is not None:
            yield driver.secret_ref.name
    if volume.csi is not None and volume.csi.node_publish_secret_ref is not None:
        yield volume.csi.node_publish_secret_ref.name
    if volume.cinder is not None and volume.cinder.secret_ref is not None:
        yield volume.cinder.secret_ref.name
    if volume.azure_file is not None:
        yield volume.azure_file.secret_name


def configmap_names(pod: Pod) -> Iterator[str]:
    """Every ConfigMap that the pod names, in environments and in volumes."""
    for container in containers_of(pod):
        for source in container.env_from:
            if source.config_map_ref is not None:
                yield source.config_map_ref.name
        for variable in container.env:
            if variable.value_from is not None and variable.value_from.config_map_key_ref is not None:
                yield variable.value_from.config_map_key_ref.name
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield volume.config_map.name
        if volume.projected is not None:
            for projected in volume.projected.sources or ():
                if projected.config_map is not None:
                    yield projected.config_map.name


def _claim_of(volume: PersistentVolume) -> Vertex | None:
    reference = volume.spec.claim_ref
    return None if reference is None else Vertex("persistentvolumeclaims", reference.namespace, reference.name)


def _volume_secrets(volume: PersistentVolume) -> Iterator[Vertex]:
    claim = volume.spec.claim_ref
    default = claim.namespace if claim is not None else ""
    spec = volume.spec
    for driver in (spec.cephfs, spec.rbd, spec.iscsi, spec.scale_io, spec.flex_volume, spec.cinder):
        if driver is not None and driver.secret_ref is not None:
            yield Vertex("secrets", driver.secret_ref.namespace or default, driver.secret_ref.name)
    if spec.azure_file is not None:
        yield Vertex("secrets", spec.azure_file.secret_namespace or default, spec.azure_file.secret_name)
    if spec.storageos is not None and spec.storageos.secret_ref is not None:
        yield Vertex("secrets", spec.storageos.secret_ref.namespace or default, spec.storageos.secret_ref.name)
    if spec.csi is not None:
        csi = spec.csi
        for secret in (
            csi.controller_publish_secret_ref,
            csi.node_publish_secret_ref,
            csi.node_stage_secret_ref,
            csi.controller_expand_secret_ref,
            csi.node_expand_secret_ref,
        ):
            if secret is not None:
                yield Vertex("secrets", secret.namespace, secret.name)
