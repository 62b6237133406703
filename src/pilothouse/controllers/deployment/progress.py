"""What a Deployment's status tells: counts, and the conditions Available, Progressing and ReplicaFailure. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.apps.v1 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from pilothouse.controllers.deployment.sizes import available, bounds, replicas_of
from pilothouse.semantics import conditions

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Note:
    """A change of the condition Progressing that an action brings (a ReplicaSet found, created or refused)."""

    status: str
    reason: str
    message: str


def has_deadline(deployment: Deployment) -> bool:
    return deployment.spec.progress_deadline_seconds not in (None, 2**31 - 1)


def put(
    held: tuple[DeploymentCondition, ...], kind: str, note: Note, now: float, *, keep_transition: bool = False
) -> tuple[DeploymentCondition, ...]:
    """`held` with the condition of `note`: nothing changes if status and reason are the same."""
    current = conditions.find(held, kind)
    if current is not None and (current.status, current.reason) == (note.status, note.reason) and not keep_transition:
        return held
    stamp = format_time(now)
    new = DeploymentCondition(
        type=kind,
        status=note.status,
        reason=note.reason,
        message=note.message,
        last_update_time=stamp,
        last_transition_time=stamp,
    )
    if current is not None and current.status == note.status:
        new = replace(new, last_transition_time=current.last_transition_time)
    return (*conditions.without(held, kind), new)


def counts(deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], now: float) -> DeploymentStatus:
    """The status with its counts and the condition Available."""
    up, whole = available(sets), sum(rs.status.replicas for rs in sets)
    endings = [rs.status.terminating_replicas for rs in sets]
    held = deployment.status
    status = replace(
        held,
        observed_generation=deployment.metadata.generation,
        replicas=whole,
        updated_replicas=new.status.replicas if new is not None else 0,
        ready_replicas=sum(rs.status.ready_replicas for rs in sets),
        available_replicas=up,
        unavailable_replicas=max(sum(_wanted(rs) for rs in sets) - up, 0),
        terminating_replicas=None if None in endings else sum(e or 0 for e in endings),
    )
    if up >= replicas_of(deployment) - bounds(deployment)[1]:
        note = Note("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        note = Note("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    return replace(status, conditions=put(status.conditions, AVAILABLE, note, now))


def _wanted(rs: ReplicaSet) -> int:
    return 1 if rs.spec.replicas is None else rs.spec.replicas


def complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    """All pods are of the current template and available, and there are no others."""
    desired = replicas_of(deployment)
    return (
        status.updated_replicas == status.replicas == status.available_replicas == desired
        and status.observed_generation >= deployment.metadata.generation
    )


def progressing(deployment: Deployment, status: DeploymentStatus) -> bool:
    """Whether the counts came closer to the goal since the last status."""
    before = deployment.status
    return (
        status.updated_replicas > before.updated_replicas
        or status.replicas - status.updated_replicas < before.replicas - before.updated_replicas
        or status.ready_replicas > before.ready_replicas
        or status.available_replicas > before.available_replicas
    )


def timed_out(deployment: Deployment, status: DeploymentStatus, now: float) -> bool:
    current = conditions.find(status.conditions, PROGRESSING)
    if current is None or current.reason == NEW_AVAILABLE:
        return False
    if current.reason == TIMED_OUT:
        return True
    return _deadline(deployment, current) < now


def _deadline(deployment: Deployment, current: DeploymentCondition) -> float:
    since = parse_time(current.last_update_time) if current.last_update_time else 0.0
    return since + (deployment.spec.progress_deadline_seconds or 0)


def rollout(deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet], now: float) -> DeploymentStatus:
    """The status while rolling out: counts, how it goes, and failures of the ReplicaSets."""
    status = counts(deployment, new, sets, now)
    held = status.conditions
    if not has_deadline(deployment):
        held = conditions.without(held, PROGRESSING)
    current = conditions.find(held, PROGRESSING)
    done = status.replicas == status.updated_replicas and current is not None and current.reason == NEW_AVAILABLE
    if has_deadline(deployment) and not done:
        held = _progress(deployment, new, replace(status, conditions=held), now)
    return replace(status, conditions=_failures(held, new, sets))


def _progress(
    deployment: Deployment, new: ReplicaSet | None, status: DeploymentStatus, now: float
) -> tuple[DeploymentCondition, ...]:
    subject = f'ReplicaSet "{new.metadata.name}"' if new is not None else f'Deployment "{deployment.metadata.name}"'
    held = status.conditions
    if complete(deployment, status):
        return put(held, PROGRESSING, Note("True", NEW_AVAILABLE, f"{subject} has successfully progressed."), now)
    if progressing(deployment, status):
        note = Note("True", "ReplicaSetUpdated", f"{subject} is progressing.")
        return put(held, PROGRESSING, note, now, keep_transition=True)
    if timed_out(deployment, status, now):
        return put(held, PROGRESSING, Note("False", TIMED_OUT, f"{subject} has timed out progressing."), now)
    return held


def _failures(
    held: tuple[DeploymentCondition, ...], new: ReplicaSet | None, sets: Sequence[ReplicaSet]
) -> tuple[DeploymentCondition, ...]:
    ordered = sorted(sets, key=lambda rs: new is None or rs.metadata.uid != new.metadata.uid)
    for rs in ordered:
        failure = conditions.find(rs.status.conditions, FAILURE)
        if failure is None:
            continue
        told = DeploymentCondition(
            type=FAILURE,
            status=failure.status,
            reason=failure.reason,
            message=failure.message,
            last_update_time=failure.last_transition_time,
            last_transition_time=failure.last_transition_time,
        )
        current = conditions.find(held, FAILURE)
        if current is not None and (current.status, current.reason) == (told.status, told.reason):
            return held
        return (*conditions.without(held, FAILURE), told)
    return conditions.without(held, FAILURE)


def paused_note(deployment: Deployment) -> Note | None:
    """The note that a pause or resumption leaves in Progressing, if it is not there yet."""
    if not has_deadline(deployment):
        return None
    current = conditions.find(deployment.status.conditions, PROGRESSING)
    if current is not None and current.reason == TIMED_OUT:
        return None
    told = current is not None and current.reason == PAUSED
    if deployment.spec.paused and not told:
        return Note("Unknown", PAUSED, "Deployment is paused")
    if not deployment.spec.paused and told:
        return Note("Unknown", RESUMED, "Deployment is resumed")
    return None


def check_again(deployment: Deployment, status: DeploymentStatus, now: float) -> float | None:
    """Seconds until a stuck rollout passes its deadline; None if it is not waiting for one."""
    current = conditions.find(status.conditions, PROGRESSING)
    if not has_deadline(deployment) or current is None or deployment.spec.paused:
        return None
    if complete(deployment, status) or current.reason in (TIMED_OUT, NEW_AVAILABLE):
        return None
    return max(_deadline(deployment, current) - now, 0.0) + 1.0
