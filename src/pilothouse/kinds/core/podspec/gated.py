"""What the reference drops from pods and templates without a word: fields of features that are off by default. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec.structs import replace

from pilothouse.api.types.core import v1 as core

C = TypeVar("C", core.Container, core.EphemeralContainer)
_STATUSES = ("container_statuses", "init_container_statuses", "ephemeral_container_statuses")


def without_gated(spec: core.PodSpec) -> core.PodSpec:
    """The same spec where nothing of it is of such a feature (pod.dropDisabledFields)."""
    if spec.scheduling_group is not None:
        spec = replace(spec, scheduling_group=None)
    if any(volume.projected is not None and _certified(volume.projected) for volume in spec.volumes):
        spec = replace(spec, volumes=tuple(map(_volume, spec.volumes)))
    return _without_stop_signals(spec)


def template(found: core.PodTemplateSpec) -> core.PodTemplateSpec:
    """The same template where nothing of its spec is of such a feature."""
    kept = without_gated(found.spec)
    return found if kept is found.spec else replace(found, spec=kept)


def of_template(obj: Any) -> Any:
    """An object that has `spec.template`, without such fields in it."""
    if obj.spec.template is None:
        return obj
    kept = template(obj.spec.template)
    return obj if kept is obj.spec.template else replace(obj, spec=replace(obj.spec, template=kept))


def without_gated_status(status: core.PodStatus, old: core.PodStatus) -> core.PodStatus:
    """The same status without what is of such a feature and was not there before (pod.dropDisabledPodStatusFields)."""
    changes: dict[str, object] = {}
    if status.node_allocatable_resource_claim_statuses and not old.node_allocatable_resource_claim_statuses:
        changes["node_allocatable_resource_claim_statuses"] = ()
    volumes = [group for group in _STATUSES if any(map(_tells_of_volumes, getattr(status, group)))]
    if volumes and not any(any(map(_tells_of_volumes, getattr(old, group))) for group in _STATUSES):
        changes |= {group: tuple(map(_without_volumes, getattr(status, group))) for group in volumes}
    return replace(status, **changes) if changes else status


def _tells_of_volumes(status: core.ContainerStatus) -> bool:
    return any(mount.volume_status is not None for mount in status.volume_mounts)


def _without_volumes(status: core.ContainerStatus) -> core.ContainerStatus:
    return replace(status, volume_mounts=tuple(replace(mount, volume_status=None) for mount in status.volume_mounts))


def _certified(found: core.ProjectedVolumeSource) -> bool:
    sources = found.sources or ()
    return any(one.cluster_trust_bundle is not None or one.pod_certificate is not None for one in sources)


def _volume(volume: core.Volume) -> core.Volume:
    """A source that is dropped leaves an empty one."""
    found = volume.projected
    if found is None or not _certified(found):
        return volume
    kept = tuple(replace(one, cluster_trust_bundle=None, pod_certificate=None) for one in found.sources or ())
    return replace(volume, projected=replace(found, sources=kept))


def _signals(container: core.Container | core.EphemeralContainer) -> bool:
    return container.lifecycle is not None and container.lifecycle.stop_signal is not None


def _without_signal(container: C) -> C:
    """Hooks that were only a signal go altogether."""
    if container.lifecycle is None or container.lifecycle.stop_signal is None:
        return container
    kept = replace(container.lifecycle, stop_signal=None)
    return replace(container, lifecycle=None if kept == core.Lifecycle() else kept)


def _without_stop_signals(spec: core.PodSpec) -> core.PodSpec:
    changes: dict[str, object] = {}
    if any(map(_signals, spec.containers or ())):
        changes["containers"] = tuple(map(_without_signal, spec.containers or ()))
    if any(map(_signals, spec.init_containers)):
        changes["init_containers"] = tuple(map(_without_signal, spec.init_containers))
    if any(map(_signals, spec.ephemeral_containers)):
        changes["ephemeral_containers"] = tuple(map(_without_signal, spec.ephemeral_containers))
    return replace(spec, **changes) if changes else spec
