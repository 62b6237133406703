"""The next step of a StatefulSet. Pure.

Ordered sets do one thing at a time: they wait until the pod before is available before the next is made, and until all
are well before one is taken away. Parallel ones do not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.apps.v1 import StatefulSet, StatefulSetStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.statefulset import identity
from pilothouse.semantics.amounts import scaled
from pilothouse.semantics.pods import available_in, is_ready, is_terminal, is_terminating

MAX_UNAVAILABLE = "MaxUnavailableStatefulSet"
"""The feature gate of `rollingUpdate.maxUnavailable`, off by default."""


@dataclass(slots=True)
class Plan:
    """Ordinals to make and pods to give up: those that ended (they are made anew once they are gone) and others."""

    create: list[int] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Revisions:
    """Names of the revisions: what most pods have, and what they are to have."""

    current: str
    update: str


def ordered(owner: StatefulSet) -> bool:
    return owner.spec.pod_management_policy != "Parallel"


def lowest_updated(owner: StatefulSet) -> int:
    """The first ordinal that an update reaches."""
    rolling = owner.spec.update_strategy.rolling_update
    return identity.start_of(owner) + (rolling.partition or 0 if rolling is not None else 0)


def running_and_ready(pod: Pod) -> bool:
    return pod.status.phase == "Running" and is_ready(pod)


def available(owner: StatefulSet, pod: Pod, now: float) -> bool:
    """Running, and ready for long enough."""
    return running_and_ready(pod) and available_in(pod, owner.spec.min_ready_seconds, now) == 0


def well(owner: StatefulSet, pod: Pod, now: float) -> bool:
    """Available, and not on its way out."""
    return not is_terminating(pod) and available(owner, pod, now)


def uses_update(owner: StatefulSet, ordinal: int, revisions: Revisions) -> bool:
    """Whether the pod of an ordinal is made by the new template. Those below the partition keep the old one; who
    deletes a pod of an OnDelete set gets the new one."""
    if revisions.current == revisions.update or owner.spec.update_strategy.type == "OnDelete":
        return True
    rolling = owner.spec.update_strategy.rolling_update
    if rolling is None:
        return ordinal >= identity.start_of(owner) + owner.status.current_replicas
    return ordinal >= lowest_updated(owner)


def decide(
    owner: StatefulSet, pods: Sequence[Pod], revisions: Revisions, now: float, *, max_unavailable: bool = False
) -> Plan:
    """What to do next with the set's pods. `max_unavailable`: whether the feature gate of that name is on."""
    plan = Plan()
    if owner.metadata.deletion_timestamp is not None:
        return plan
    by_ordinal = {identity.ordinal_of(owner, p): p for p in pods}
    one_by_one = ordered(owner)
    for ordinal in identity.ordinals(owner):
        pod = by_ordinal.get(ordinal)
        if pod is None:
            plan.create.append(ordinal)
        elif is_terminal(pod) and not is_terminating(pod):
            plan.delete.append(pod)
        if one_by_one and (pod is None or not well(owner, pod, now)):
            return plan
    condemned = _condemned(owner, by_ordinal, now)
    plan.delete += condemned
    scaling = any(o >= 0 and o not in identity.ordinals(owner) for o in by_ordinal)
    if not one_by_one or not (scaling or plan.create or plan.delete):
        ending = {p.metadata.uid for p in plan.delete}
        rolled = _roll(owner, by_ordinal, revisions, now, max_unavailable)
        plan.delete += [p for p in rolled if p.metadata.uid not in ending]
    return plan


def _condemned(owner: StatefulSet, by_ordinal: dict[int, Pod], now: float) -> list[Pod]:
    """The pods to scale away now, from the highest ordinal down. An ordered set gives up one at a time, and halts at an
    unwell one unless that is the lowest of those that are unwell."""
    wanted = identity.ordinals(owner)
    pods = [by_ordinal[o] for o in sorted(by_ordinal, reverse=True) if o >= 0 and o not in wanted]
    if not ordered(owner):
        return [p for p in pods if not is_terminating(p)]
    if not pods or is_terminating(pods[0]):
        return []
    lowest_unwell = next((p for p in reversed(pods) if not running_and_ready(p) or is_terminating(p)), None)
    if not available(owner, pods[0], now) and pods[0] is not lowest_unwell:
        return []
    return [pods[0]]


def _roll(
    owner: StatefulSet, by_ordinal: dict[int, Pod], revisions: Revisions, now: float, max_unavailable: bool
) -> list[Pod]:
    """The next pods to replace, from the highest ordinal down to the partition."""
    if owner.spec.update_strategy.type == "OnDelete":
        return []
    if max_unavailable:
        return _roll_several(owner, by_ordinal, revisions, now)
    for ordinal in _updatable(owner):
        pod = by_ordinal.get(ordinal)
        if pod is None:
            return []
        if identity.revision_of(pod) != revisions.update and not is_terminating(pod):
            return [pod]
        if not well(owner, pod, now):
            return []
    return []


def _updatable(owner: StatefulSet) -> Sequence[int]:
    """The ordinals that an update reaches, in the order in which it does."""
    return range(identity.ordinals(owner).stop - 1, lowest_updated(owner) - 1, -1)


def _roll_several(owner: StatefulSet, by_ordinal: dict[int, Pod], revisions: Revisions, now: float) -> list[Pod]:
    rolling = owner.spec.update_strategy.rolling_update
    limit = 1
    if rolling is not None and rolling.max_unavailable is not None:
        limit = max(scaled(rolling.max_unavailable, identity.replicas_of(owner), round_up=False), 1)
    unavailable = sum(o not in by_ordinal or not well(owner, by_ordinal[o], now) for o in identity.ordinals(owner))
    pods = [by_ordinal[o] for o in _updatable(owner) if o in by_ordinal]
    old = [p for p in pods if identity.revision_of(p) != revisions.update and not is_terminating(p)]
    return old[: max(limit - unavailable, 0)]


def decide_status(owner: StatefulSet, pods: Sequence[Pod], revisions: Revisions, now: float) -> StatefulSetStatus:
    """The status that counts `pods`; when the update is through, the current revision becomes the updated one."""
    members = [p for p in pods if identity.ordinal_of(owner, p) >= 0]
    lasting = [p for p in members if not is_terminating(p)]
    status = msgspec.structs.replace(
        owner.status,
        observed_generation=owner.metadata.generation,
        replicas=len(members),
        ready_replicas=sum(map(running_and_ready, members)),
        available_replicas=sum(available(owner, p, now) for p in members),
        current_replicas=sum(identity.revision_of(p) == revisions.current for p in lasting),
        updated_replicas=sum(identity.revision_of(p) == revisions.update for p in lasting),
        current_revision=revisions.current,
        update_revision=revisions.update,
        collision_count=owner.status.collision_count or 0,
    )
    through = status.updated_replicas == status.replicas == status.ready_replicas
    if owner.spec.update_strategy.type != "OnDelete" and through and status.replicas == identity.replicas_of(owner):
        status = msgspec.structs.replace(
            status, current_replicas=status.updated_replicas, current_revision=revisions.update
        )
    return status
