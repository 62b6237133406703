"""The next step of a StatefulSet. Pure.

Ordered sets do one thing at a time: they wait until the pod before is ready before the next is made, and until all are
well before one is taken away. Parallel ones do not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.apps.v1 import StatefulSet, StatefulSetStatus
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.statefulset import identity
from pilothouse.semantics.amounts import scaled
from pilothouse.semantics.pods import available_in, is_ready, is_terminal


@dataclass(slots=True)
class Plan:
    """Ordinals to make (with the update's template if `updated` says so), pods to give up, pods that ended."""

    create: list[int] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    recreate: list[Pod] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Revisions:
    """Names of the revisions: what most pods have, and what they are to have."""

    current: str
    update: str


def ordered(owner: StatefulSet) -> bool:
    return owner.spec.pod_management_policy != "Parallel"


def partition_of(owner: StatefulSet) -> int:
    told = owner.spec.update_strategy.rolling_update
    return told.partition or 0 if told is not None else 0


def well(owner: StatefulSet, pod: Pod, now: float) -> bool:
    """Running, ready for long enough, and not on its way out."""
    return (
        pod.status.phase == "Running"
        and pod.metadata.deletion_timestamp is None
        and available_in(pod, owner.spec.min_ready_seconds, now) == 0
    )


def uses_update(owner: StatefulSet, ordinal: int, pods: Sequence[Pod], revisions: Revisions) -> bool:
    """Whether the pod of an ordinal is made by the new template: those below the partition keep the old one while
    there is one."""
    if revisions.current == revisions.update:
        return True
    if owner.spec.update_strategy.type == "OnDelete":
        return ordinal >= identity.start_of(owner) + owner.status.current_replicas
    told = owner.spec.update_strategy.rolling_update
    if told is None or told.partition is None:
        return ordinal >= identity.start_of(owner) + owner.status.current_replicas
    return ordinal >= identity.start_of(owner) + told.partition


def decide(owner: StatefulSet, pods: Sequence[Pod], revisions: Revisions, now: float) -> Plan:
    """What to do next with the set's pods."""
    plan = Plan()
    if owner.metadata.deletion_timestamp is not None:
        return plan
    held = {identity.ordinal_of(owner, p): p for p in pods}
    wanted = identity.ordinals(owner)
    one_by_one = ordered(owner)
    for ordinal in wanted:
        pod = held.get(ordinal)
        if pod is not None and is_terminal(pod) and pod.metadata.deletion_timestamp is None:
            plan.recreate.append(pod)
        elif pod is None:
            plan.create.append(ordinal)
        if one_by_one and (pod is None or not well(owner, pod, now)):
            return plan
    condemned = sorted((o for o in held if o not in wanted and o >= 0), reverse=True)
    for ordinal in condemned:
        pod = held[ordinal]
        if pod.metadata.deletion_timestamp is None:
            plan.delete.append(pod)
        if one_by_one:
            return plan
    if not plan.create and not plan.delete and not plan.recreate:
        plan.delete = _roll(owner, held, revisions, now)
    return plan


def _roll(owner: StatefulSet, held: dict[int, Pod], revisions: Revisions, now: float) -> list[Pod]:
    """The next pods to replace, from the highest ordinal down to the partition."""
    if owner.spec.update_strategy.type == "OnDelete":
        return []
    told = owner.spec.update_strategy.rolling_update
    limit = 1
    if told is not None and told.max_unavailable is not None:
        limit = max(scaled(told.max_unavailable, identity.replicas_of(owner), round_up=False), 1)
    lowest = max(identity.start_of(owner), partition_of(owner))
    candidates = [held[o] for o in sorted(held, reverse=True) if o >= lowest and o in identity.ordinals(owner)]
    down = sum(not well(owner, p, now) for p in held.values())
    found: list[Pod] = []
    for pod in candidates:
        if identity.revision_of(pod) != revisions.update and pod.metadata.deletion_timestamp is None:
            broken = not well(owner, pod, now)
            if not broken and down + len(found) >= limit:
                break
            found.append(pod)
            if limit == 1:
                break
        elif not well(owner, pod, now) and limit == 1:
            break
    return found


def decide_status(owner: StatefulSet, pods: Sequence[Pod], revisions: Revisions, now: float) -> StatefulSetStatus:
    """The status that counts `pods`; when the update is through, the current revision becomes the updated one."""
    alive = [p for p in pods if identity.ordinal_of(owner, p) >= 0 and not is_terminal(p)]
    lasting = [p for p in alive if p.metadata.deletion_timestamp is None]
    status = msgspec.structs.replace(
        owner.status,
        observed_generation=owner.metadata.generation,
        replicas=len(alive),
        ready_replicas=sum(p.status.phase == "Running" and is_ready(p) for p in alive),
        available_replicas=sum(well(owner, p, now) for p in alive),
        current_replicas=sum(identity.revision_of(p) == revisions.current for p in lasting),
        updated_replicas=sum(identity.revision_of(p) == revisions.update for p in lasting),
        current_revision=revisions.current,
        update_revision=revisions.update,
    )
    through = status.updated_replicas == status.replicas == status.ready_replicas
    if owner.spec.update_strategy.type != "OnDelete" and through and status.replicas == identity.replicas_of(owner):
        status = msgspec.structs.replace(
            status, current_replicas=status.updated_replicas, current_revision=revisions.update
        )
    return status
