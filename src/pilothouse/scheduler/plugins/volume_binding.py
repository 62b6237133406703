"""VolumeBinding: bound volumes must be reachable from the node; others are chosen, or made, for the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.core.v1 import ObjectReference, PersistentVolume, PersistentVolumeClaim
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import Client, MergePatch
from pilothouse.scheduler.framework import Change, Cycle, Hint, Refused, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, View
from pilothouse.scheduler.volumes import VolumeCatalog, is_bound, pod_claims, provisionable_on
from pilothouse.semantics import volumes

UNBOUND = "pod has unbound immediate PersistentVolumeClaims"
CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NONE_FOUND = "node(s) didn't find available persistent volumes to bind"
VOLUME_GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
BIND_SECONDS = 600.0
POLL_SECONDS = 0.5


@dataclass(slots=True)
class _Wanted:
    """The pod's claims: with a volume, and those that wait for their first consumer."""

    bound: list[PersistentVolumeClaim] = field(default_factory=list)
    waiting: list[PersistentVolumeClaim] = field(default_factory=list)


@dataclass(slots=True)
class _Plan:
    """What reserve decided: volumes for claims, and claims for which one must be made."""

    volumes: list[tuple[PersistentVolumeClaim, PersistentVolume]] = field(default_factory=list)
    made: list[PersistentVolumeClaim] = field(default_factory=list)


class VolumeBinding:
    name = "VolumeBinding"
    events: Mapping[Change, Hint | None] = {
        Change.CLAIM: None,
        Change.VOLUME: None,
        Change.STORAGE_CLASS: None,
        Change.STORAGE_NODE: None,
        Change.NODE_ADDED: None,
        Change.NODE_LABELS: None,
    }

    def __init__(self, catalog: VolumeCatalog, client: Client, clock: Clock) -> None:
        self._catalog = catalog
        self._client = client
        self._clock = clock
        self._taken: dict[str, str] = {}  # volumes put aside, with the uid of the pod
        self._plans: dict[str, _Plan] = {}

    def pre_filter(self, cycle: Cycle) -> Refused | None:
        if not cycle.pod.profile.claims:
            return None
        for name, claim in pod_claims(cycle.pod, self._catalog):
            if claim is None:
                return Refused(self.name, f'persistentvolumeclaim "{name}" not found')
            if claim.metadata.deletion_timestamp is not None:
                return Refused(self.name, f'persistentvolumeclaim "{name}" is being deleted')
            if claim.status.phase == "Lost":
                lost = (
                    f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volume_name}"'
                )
                return Refused(self.name, lost)
            if not is_bound(claim) and not self._waits(claim):
                return Refused(self.name, UNBOUND)
        return None

    def _waits(self, claim: PersistentVolumeClaim) -> bool:
        storage = self._catalog.storage_class(volumes.class_of(claim))
        return storage is not None and storage.volume_binding_mode == "WaitForFirstConsumer"

    def _wanted(self, cycle: Cycle) -> _Wanted:
        wanted = _Wanted()
        for _, claim in pod_claims(cycle.pod, self._catalog):
            if claim is not None:
                (wanted.bound if is_bound(claim) else wanted.waiting).append(claim)
        return wanted

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        if not cycle.pod.profile.claims:
            return ()
        wanted = cycle.once(self.name, lambda: self._wanted(cycle))

        def check(record: NodeRecord) -> str:
            return self._bound_reason(wanted.bound, record) or self._waiting_reason(
                wanted.waiting, record, cycle.pod.uid
            )

        return reject_each(view, check, resolvable=False)

    def _bound_reason(self, claims: Iterable[PersistentVolumeClaim], record: NodeRecord) -> str:
        for claim in claims:
            volume = self._catalog.volume(claim.spec.volume_name)
            if volume is None:
                return VOLUME_GONE
            if not volumes.fits_node(volume, record.node):
                return CONFLICT
        return ""

    def _waiting_reason(self, claims: Sequence[PersistentVolumeClaim], record: NodeRecord, uid: str) -> str:
        return "" if not claims or self._plan(claims, record, uid) is not None else NONE_FOUND

    def _plan(self, claims: Iterable[PersistentVolumeClaim], record: NodeRecord, uid: str) -> _Plan | None:
        """Volumes for claims on a node, the smallest that do; None if some claim can get none there."""
        plan = _Plan()
        used = {name for name, owner in self._taken.items() if owner != uid}
        for claim in sorted(claims, key=volumes.requested):
            chosen = claim.metadata.annotations.get(SELECTED_NODE)
            if chosen is not None and chosen != record.name:
                return None
            best = volumes.find_for_node(claim, self._catalog.volumes(), record.node, used) if chosen is None else None
            if best is not None:
                used.add(best.metadata.name)
                plan.volumes.append((claim, best))
                continue
            storage = self._catalog.storage_class(volumes.class_of(claim))
            if storage is None or not provisionable_on(storage, record.node):
                return None
            plan.made.append(claim)
        return plan

    def reserve(self, cycle: Cycle, node: str) -> Refused | None:
        if not cycle.pod.profile.claims:
            return None
        record, uid = cycle.snapshot.node(node), cycle.pod.uid
        plan = self._plan(self._wanted(cycle).waiting, record, uid) if record is not None else None
        if plan is None:
            return Refused(self.name, NONE_FOUND)
        self._plans[uid] = plan
        self._taken.update((volume.metadata.name, uid) for _, volume in plan.volumes)
        return None

    def unreserve(self, cycle: Cycle, node: str) -> None:
        self._forget(cycle.pod.uid)

    def _forget(self, uid: str) -> None:
        plan = self._plans.pop(uid, None)
        for _, volume in plan.volumes if plan else ():
            self._taken.pop(volume.metadata.name, None)

    def takes_time(self, cycle: Cycle, node: str) -> bool:
        plan = self._plans.get(cycle.pod.uid)
        return plan is not None and bool(plan.volumes or plan.made)

    async def pre_bind(self, cycle: Cycle, node: str) -> Refused | None:
        """Put the volumes aside for the claims, name the node to provisioners, and wait until all are bound."""
        plan = self._plans.get(cycle.pod.uid)
        if plan is None:
            return None
        for claim, volume in plan.volumes:
            await self._client.update(_put_aside(volume, claim))
        for claim in plan.made:
            if claim.metadata.annotations.get(SELECTED_NODE) != node:
                body = {"metadata": {"annotations": {SELECTED_NODE: node}}}
                patch = MergePatch(body)
                await self._client.patch(PersistentVolumeClaim, claim.metadata.name, claim.metadata.namespace, patch)
        if plan.volumes or plan.made:
            refused = await self._wait_bound(cycle)
            if refused is not None:
                return refused
        self._forget(cycle.pod.uid)
        return None

    async def _wait_bound(self, cycle: Cycle) -> Refused | None:
        end = self._clock.monotonic() + BIND_SECONDS
        while self._clock.monotonic() < end:
            claims = [claim for _, claim in pod_claims(cycle.pod, self._catalog)]
            if all(c is not None and is_bound(c) for c in claims):
                return None
            if any(c is None for c in claims):
                return Refused(self.name, "a claim was deleted while its volume was being bound")
            await self._clock.sleep(POLL_SECONDS)
        return Refused(self.name, "binding volumes: context deadline exceeded")


def _put_aside(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
    meta = claim.metadata
    reference = ObjectReference(
        kind="PersistentVolumeClaim",
        api_version="v1",
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
    )
    spec = msgspec.structs.replace(volume.spec, claim_ref=reference)
    if volume.spec.claim_ref is not None:
        return msgspec.structs.replace(volume, spec=spec)
    annotations = {**volume.metadata.annotations, BOUND_BY_CONTROLLER: "yes"}
    metadata = msgspec.structs.replace(volume.metadata, annotations=annotations)
    return msgspec.structs.replace(volume, spec=spec, metadata=metadata)
