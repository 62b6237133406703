"""Who owns a StatefulSet's claims, and so when they go. Pure.

A claim goes with the set if `whenDeleted` is Delete, with its pod if `whenScaled` is Delete and the pod is scaled away.
Claims that somebody else controls, or that belonged to an earlier set or pod of the same name, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.api.object import Object
from pilothouse.api.types.apps.v1 import StatefulSet
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod
from pilothouse.api.types.meta.v1 import OwnerReference
from pilothouse.controllers.statefulset import identity

DELETE = "Delete"
_SET, _POD = ("apps/v1", "StatefulSet"), ("v1", "Pod")


@dataclass(frozen=True, slots=True)
class _Policy:
    with_set: bool
    with_pod: bool


def _policy(owner: StatefulSet) -> _Policy:
    policy = owner.spec.persistent_volume_claim_retention_policy
    if policy is None:
        return _Policy(False, False)
    return _Policy(policy.when_deleted == DELETE, policy.when_scaled == DELETE)


def _names(reference: OwnerReference, kind: tuple[str, str], obj: Object) -> bool:
    """Whether a reference is to an object of this kind and name, whatever its uid."""
    return (reference.api_version, reference.kind) == kind and reference.name == obj.metadata.name


def stale(claim: PersistentVolumeClaim, kind: tuple[str, str], obj: Object) -> bool:
    """Whether the claim belongs to an earlier object of the same name."""
    first = next((r for r in claim.metadata.owner_references if _names(r, kind, obj)), None)
    return first is not None and first.uid != obj.metadata.uid


def blocks_pod(owner: StatefulSet, claim: PersistentVolumeClaim, pod: Pod) -> bool:
    """Whether a pod may not be made yet because this claim is about to go with its predecessor."""
    return _policy(owner).with_pod and stale(claim, _POD, pod)


def conflicting(owner: StatefulSet, claim: PersistentVolumeClaim, pod: Pod) -> bool:
    """Whether the set would let the claim go some day, but another controller has it."""
    policy = _policy(owner)
    if not policy.with_set and not policy.with_pod:
        return False
    for reference in claim.metadata.owner_references:
        ours = _names(reference, _SET, owner), _names(reference, _POD, pod)
        if (ours[0] and reference.uid != owner.metadata.uid) or (ours[1] and reference.uid != pod.metadata.uid):
            return True
        if reference.controller and not any(ours):
            return True
    return False


def owners(owner: StatefulSet, claim: PersistentVolumeClaim, pod: Pod) -> tuple[OwnerReference, ...] | None:
    """The owner references that the claim of `pod` should have; None if those it has are as they should be."""
    if stale(claim, _SET, owner) or stale(claim, _POD, pod):
        return None
    held = claim.metadata.owner_references
    uids = {r.uid: bool(r.controller) for r in held}
    of_set, of_pod = owner.metadata.uid in uids, pod.metadata.uid in uids
    others = tuple(r for r in held if not _names(r, _SET, owner) and not _names(r, _POD, pod))
    if conflicting(owner, claim, pod):
        return others if of_set or of_pod else None
    policy = _policy(owner)
    scaled_away = identity.ordinal_of(owner, pod) not in identity.ordinals(owner)
    wants_pod = policy.with_pod and scaled_away
    wants_set = policy.with_set and not wants_pod
    controls = all(uids[o.metadata.uid] for o in (owner, pod) if o.metadata.uid in uids)
    if (of_set, of_pod) == (wants_set, wants_pod) and controls:
        return None
    return (*others, *_references(owner, pod, wants_set, wants_pod))


def _references(owner: StatefulSet, pod: Pod, wants_set: bool, wants_pod: bool) -> Iterable[OwnerReference]:
    for (version, kind), obj, wanted in ((_SET, owner, wants_set), (_POD, pod, wants_pod)):
        if wanted:
            yield OwnerReference(
                api_version=version,
                kind=kind,
                name=obj.metadata.name,
                uid=obj.metadata.uid,
                controller=True,
                block_owner_deletion=True,
            )
