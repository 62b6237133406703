"""Binds claims to volumes, the volume first, so that a crash in between is seen and finished by the next round."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import ObjectReference, PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.pod_control import with_meta, with_spec
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, key_of, own_key
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics import volumes
from pilothouse.semantics.pods import is_terminal

IDENTITY = "persistent-volume-binder"
BOUND_BY_US = "pv.kubernetes.io/bound-by-controller"
COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
PROVISIONERS = ("volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-provisioner")
NO_PROVISIONER = "kubernetes.io/no-provisioner"
replace = msgspec.structs.replace
Item = tuple[str, str, str]
"""`claim` or `volume`, namespace, name."""


def volume_phase(volume: PersistentVolume, claim: PersistentVolumeClaim | None) -> str:
    """The phase a volume should show; `claim` is the one its reference names."""
    reference = volume.spec.claim_ref
    if reference is None or not reference.uid:
        return "Available"
    if claim is None or claim.metadata.uid != reference.uid:
        return "Failed" if volume.status.phase == "Failed" else "Released"
    return "Bound" if claim.spec.volume_name == volume.metadata.name else volume.status.phase or "Available"


def bound_volume(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
    """The volume with a full reference to the claim."""
    meta = claim.metadata
    reference = ObjectReference(
        kind="PersistentVolumeClaim",
        api_version="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )
    annotations = volume.metadata.annotations
    if volume.spec.claim_ref is None:
        annotations = {**annotations, BOUND_BY_US: "yes"}
    made: PersistentVolume = with_meta(with_spec(volume, claim_ref=reference), annotations=annotations)
    return made


def bound_claim(claim: PersistentVolumeClaim, volume: PersistentVolume) -> PersistentVolumeClaim:
    """The claim that names the volume."""
    annotations = {**claim.metadata.annotations, COMPLETED: "yes"}
    if not claim.spec.volume_name:
        annotations[BOUND_BY_US] = "yes"
    made: PersistentVolumeClaim = with_meta(with_spec(claim, volume_name=volume.metadata.name), annotations=annotations)
    return made


def waiting_for(claim: PersistentVolumeClaim, pods: Iterable[Pod]) -> tuple[str, str]:
    """Reason and message of a claim whose volume is chosen once a node is; `pods` are those of its namespace."""
    names = [
        p.metadata.name
        for p in pods
        if not p.spec.node_name and not is_terminal(p) and claim.metadata.name in _claim_names(p)
    ]
    if not names:
        return "WaitForFirstConsumer", "waiting for first consumer to be created before binding"
    plural = "s" if len(names) > 1 else ""
    return "WaitForPodScheduled", f"waiting for pod{plural} {','.join(names)} to be scheduled"


def _claim_names(pod: Pod) -> Iterable[str]:
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield volume.persistent_volume_claim.claim_name
        elif volume.ephemeral is not None:
            yield f"{pod.metadata.name}-{volume.name}"


class _Binder:
    """Caches and writes; keys are claims and volumes."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.recorder = env.recorder("persistentvolume-controller", IDENTITY)
        self.controller: Controller[Item] = env.controller(
            "persistentvolume-binder-controller", IDENTITY, self.reconcile, workers=1
        )
        self.volumes = self.controller.on(PersistentVolume, self._volume_changed)
        self.classes = self.controller.on(StorageClass, self._class_changed)
        self.pods = self.controller.needs(Pod)
        self.claims = self.controller.on(PersistentVolumeClaim, self._claim_changed)

    def _volume_changed(self, old: PersistentVolume | None, new: PersistentVolume | None) -> Iterable[Item]:
        found = new if new is not None else old
        assert found is not None
        reference = found.spec.claim_ref
        if reference is not None:
            yield "claim", reference.namespace, reference.name
        elif new is not None:
            for claim in self.claims.list() if hasattr(self, "claims") else ():
                if not claim.spec.volume_name:
                    yield ("claim", *key_of(claim))
        if new is not None:
            yield "volume", "", new.metadata.name

    def _class_changed(self, old: StorageClass | None, new: StorageClass | None) -> Iterable[Item]:
        for claim in self.env.informers.of(PersistentVolumeClaim).list() if new is not None else ():
            if not claim.spec.volume_name:
                yield ("claim", *key_of(claim))

    def _claim_changed(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> Iterable[Item]:
        for key in own_key(old, new):
            yield ("claim", *key)
        found = new if new is not None else old
        if found is not None and found.spec.volume_name:
            yield "volume", "", found.spec.volume_name

    async def reconcile(self, item: Item, client: Client) -> None:
        kind, namespace, name = item
        if kind == "volume":
            await self._volume(name, client)
            return
        claim = self.claims.get(name, namespace)
        if claim is None:
            return
        if COMPLETED in claim.metadata.annotations:
            await self._bound(claim, client)
        else:
            await self._unbound(claim, client)

    async def _volume(self, name: str, client: Client) -> None:
        volume = self.volumes.get(name)
        if volume is None:
            return
        reference = volume.spec.claim_ref
        claim = self.claims.get(reference.name, reference.namespace) if reference is not None else None
        phase = volume_phase(volume, claim)
        if phase == "Released" and BOUND_BY_US in volume.metadata.annotations and claim is None:
            policy = volume.spec.persistent_volume_reclaim_policy
            if policy == "Delete" and volume.status.phase != "Failed":
                await self._phase(volume, "Failed", client, "no deleter for this kind of volume")
                text = "error getting deleter volume plugin for volume: no volume plugin matched"
                self.recorder.event(volume, WARNING, "VolumeFailedDelete", text)
                return
        if phase != volume.status.phase:
            await self._phase(volume, phase, client)

    async def _phase(self, volume: PersistentVolume, phase: str, client: Client, message: str = "") -> None:
        status = replace(
            volume.status,
            phase=phase,
            message=message,
            last_phase_transition_time=format_time(self.env.clock.now()),
        )
        await client.update(replace(volume, status=status), subresource="status")

    async def _unbound(self, claim: PersistentVolumeClaim, client: Client) -> None:
        if claim.metadata.deletion_timestamp is not None:
            return
        if claim.spec.volume_name:
            volume = self.volumes.get(claim.spec.volume_name)
            refusal = volumes.mismatch(volume, claim) if volume is not None else ""
            if volume is not None and not refusal:
                await self._bind(claim, volume, client)
                return
            if volume is not None and volume.spec.claim_ref is not None:
                text = f'volume "{volume.metadata.name}" already bound to a different claim.'
                self.recorder.event(claim, WARNING, "FailedBinding", text)
            elif volume is not None:
                text = f'Cannot bind to requested volume "{volume.metadata.name}": {refusal}'
                self.recorder.event(claim, WARNING, "VolumeMismatch", text)
        else:
            volume = volumes.find(claim, self.volumes.list(), only_meant=self._waits_for_consumer(claim))
            if volume is not None:
                await self._bind(claim, volume, client)
                return
            if not volumes.names_class(claim) and (default := volumes.default_class(self.classes.list())) is not None:
                # The change brings the claim here once more.
                await client.update(with_spec(claim, storage_class_name=default.metadata.name))
                return
        claim = await self._tell_pending(claim, client)
        if claim.status.phase != "Pending":
            await client.update(replace(claim, status=replace(claim.status, phase="Pending")), subresource="status")

    def _class(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        name = volumes.class_of(claim)
        return self.classes.get(name) if name else None

    def _waits_for_consumer(self, claim: PersistentVolumeClaim) -> bool:
        held = self._class(claim)
        waits = held is not None and held.volume_binding_mode == "WaitForFirstConsumer"
        return waits and SELECTED_NODE not in claim.metadata.annotations

    async def _tell_pending(self, claim: PersistentVolumeClaim, client: Client) -> PersistentVolumeClaim:
        if claim.spec.volume_name:
            return claim
        name, held = volumes.class_of(claim), self._class(claim)
        if self._waits_for_consumer(claim):
            self.recorder.event(claim, NORMAL, *waiting_for(claim, self.pods.list(claim.metadata.namespace)))
        elif not name:
            text = "no persistent volumes available for this claim and no storage class is set"
            self.recorder.event(claim, NORMAL, "FailedBinding", text)
        elif held is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            self.recorder.event(claim, WARNING, "ProvisioningFailed", text)
        elif held.provisioner != NO_PROVISIONER:
            if claim.metadata.annotations.get(PROVISIONERS[1]) != held.provisioner:
                annotations = {**claim.metadata.annotations, **dict.fromkeys(PROVISIONERS, held.provisioner)}
                claim = await client.update(with_meta(claim, annotations=annotations))
            text = (
                f"Waiting for a volume to be created either by the external provisioner '{held.provisioner}' or "
                "manually by the system administrator. If volume creation is delayed, please verify that the "
                "provisioner is running and correctly registered."
            )
            self.recorder.event(claim, NORMAL, "ExternalProvisioning", text)
        return claim

    async def _bind(self, claim: PersistentVolumeClaim, volume: PersistentVolume, client: Client) -> None:
        reference = volume.spec.claim_ref
        if reference is None or reference.uid != claim.metadata.uid:
            volume = await client.update(bound_volume(volume, claim))
        if volume.status.phase != "Bound":
            status = replace(volume.status, phase="Bound", last_phase_transition_time=format_time(self.env.clock.now()))
            volume = await client.update(replace(volume, status=status), subresource="status")
        claim = await client.update(bound_claim(claim, volume))
        await self._show_bound(claim, volume, client)

    async def _bound(self, claim: PersistentVolumeClaim, client: Client) -> None:
        volume = self.volumes.get(claim.spec.volume_name)
        if volume is None:
            try:
                volume = await client.get(PersistentVolume, claim.spec.volume_name)
            except StatusError as error:
                if error.code != 404:
                    raise
        if volume is not None and volume.spec.claim_ref is None:
            await self._bind(claim, volume, client)
        elif volume is not None and volumes.points_at(volume, claim):
            if volume.status.phase != "Bound":
                await self._phase(volume, "Bound", client)
            await self._show_bound(claim, volume, client)
        elif claim.status.phase != "Lost":
            text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            self.recorder.event(claim, WARNING, "ClaimLost", text)
            status = replace(claim.status, phase="Lost", access_modes=(), capacity={})
            await client.update(replace(claim, status=status), subresource="status")

    async def _show_bound(self, claim: PersistentVolumeClaim, volume: PersistentVolume, client: Client) -> None:
        if claim.status.phase == "Bound":
            return
        status = replace(
            claim.status, phase="Bound", access_modes=volume.spec.access_modes, capacity=volume.spec.capacity
        )
        await client.update(replace(claim, status=status), subresource="status")


def build(env: Environment) -> Controller[Item]:
    """Keys are claims and volumes."""
    return _Binder(env).controller
