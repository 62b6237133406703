"""What to make and give up for a DaemonSet, and its status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.apps.v1 import DaemonSet, DaemonSetStatus
from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.controllers.daemonset import placement
from pilothouse.semantics.amounts import scaled
from pilothouse.semantics.pods import available_in, is_ready, is_terminal

BURST = 250


@dataclass(slots=True)
class Plan:
    """Nodes to make a pod for, pods to give up, and events (reason, message)."""

    create: list[str] = field(default_factory=list)
    delete: list[Pod] = field(default_factory=list)
    failed: list[Pod] = field(default_factory=list)


def decide(ds: DaemonSet, nodes: Sequence[Node], pods: Sequence[Pod]) -> Plan:
    """One pod on each node that should have one. Pods that ended are in `failed`, to be replaced with back-off."""
    plan = Plan()
    held = placement.by_target(pods)
    names = {n.metadata.name for n in nodes}
    for node in nodes:
        should, may = placement.belongs(ds, node)
        mine = held.get(node.metadata.name, [])
        if not may:
            plan.delete += [p for p in mine if p.metadata.deletion_timestamp is None]
            continue
        alive = [p for p in mine if p.metadata.deletion_timestamp is None and not is_terminal(p)]
        ended = [p for p in mine if is_terminal(p) and p.metadata.deletion_timestamp is None]
        plan.failed += ended
        if should and not mine:
            plan.create.append(node.metadata.name)
        elif len(alive) > 1:
            plan.delete += _surplus(ds, alive)
    for name, orphaned in held.items():
        # Pods that were meant for a node that is gone and that never got there.
        if name not in names:
            plan.delete += [p for p in orphaned if not p.spec.node_name and p.metadata.deletion_timestamp is None]
    return plan


def _surplus(ds: DaemonSet, alive: Sequence[Pod]) -> list[Pod]:
    """All but the oldest; during a surge an old and a new one may stand side by side."""
    if surge_of(ds, 1) > 0:
        by_hash: dict[str, list[Pod]] = {}
        for pod in alive:
            by_hash.setdefault(pod.metadata.labels.get(placement.HASH_LABEL, ""), []).append(pod)
        if len(by_hash) <= 2:
            return [p for group in by_hash.values() for p in sorted(group, key=_age)[1:]]
    return sorted(alive, key=_age)[1:]


def _age(pod: Pod) -> tuple[bool, str, str]:
    return not pod.spec.node_name, pod.metadata.creation_timestamp, pod.metadata.name


def surge_of(ds: DaemonSet, desired: int) -> int:
    told = ds.spec.update_strategy.rolling_update
    if ds.spec.update_strategy.type == "OnDelete" or told is None:
        return 0
    return scaled(told.max_surge, desired, round_up=True)


def unavailable_of(ds: DaemonSet, desired: int) -> int:
    told = ds.spec.update_strategy.rolling_update
    if ds.spec.update_strategy.type == "OnDelete":
        return 0
    limit = scaled(told.max_unavailable if told is not None else 1, desired, round_up=True, default=1)
    return 1 if limit == 0 and surge_of(ds, desired) == 0 else limit


def roll(ds: DaemonSet, nodes: Sequence[Node], pods: Sequence[Pod], digest: str, now: float) -> Plan:
    """Replace pods of older templates, as many at a time as may be unavailable (or may stand beside the old ones)."""
    plan = Plan()
    if ds.spec.update_strategy.type == "OnDelete":
        return plan
    held = placement.by_target(pods)
    wanted = [n.metadata.name for n in nodes if placement.belongs(ds, n)[0]]
    views = {name: _split(held.get(name, []), digest) for name in wanted}
    if surge_of(ds, len(wanted)) > 0:
        _surge(ds, views, plan, surge_of(ds, len(wanted)), now)
    else:
        _replace(ds, views, plan, unavailable_of(ds, len(wanted)), now)
    return plan


def _split(pods: Sequence[Pod], digest: str) -> tuple[Pod | None, Pod | None]:
    """(new, old): the pod of the present template and one of an older, those on their way out left aside."""
    alive = [p for p in pods if p.metadata.deletion_timestamp is None]
    new = next((p for p in alive if p.metadata.labels.get(placement.HASH_LABEL) == digest), None)
    old = next((p for p in alive if p.metadata.labels.get(placement.HASH_LABEL) != digest), None)
    return new, old


def _up(ds: DaemonSet, pod: Pod | None, now: float) -> bool:
    return pod is not None and available_in(pod, ds.spec.min_ready_seconds, now) == 0


def _replace(
    ds: DaemonSet, views: Mapping[str, tuple[Pod | None, Pod | None]], plan: Plan, limit: int, now: float
) -> None:
    down = 0
    broken: list[Pod] = []
    candidates: list[Pod] = []
    for new, old in views.values():
        if old is None:
            down += not _up(ds, new, now)
        elif not _up(ds, old, now):
            broken.append(old)
            down += 1
        else:
            candidates.append(old)
    plan.delete = broken + candidates[: max(limit - down, 0)]


def _surge(
    ds: DaemonSet, views: Mapping[str, tuple[Pod | None, Pod | None]], plan: Plan, limit: int, now: float
) -> None:
    surging = sum(new is not None and old is not None for new, old in views.values())
    for name, (new, old) in views.items():
        if old is None:
            continue
        if new is not None:
            if _up(ds, new, now):
                plan.delete.append(old)
        elif not _up(ds, old, now):
            plan.create.append(name)
        elif surging < limit:
            plan.create.append(name)
            surging += 1


def decide_status(
    ds: DaemonSet, nodes: Sequence[Node], pods: Sequence[Pod], digest: str, now: float
) -> DaemonSetStatus:
    """The status that counts nodes and their pods."""
    held = placement.by_target(pods)
    desired = current = misscheduled = ready = updated = available = 0
    for node in nodes:
        should = placement.belongs(ds, node)[0]
        mine = sorted(held.get(node.metadata.name, []), key=_age)
        desired += should
        if not mine:
            continue
        if not should:
            misscheduled += 1
            continue
        current += 1
        pod = mine[0]
        if is_ready(pod):
            ready += 1
            available += _up(ds, pod, now)
        updated += pod.metadata.labels.get(placement.HASH_LABEL) == digest
    return msgspec.structs.replace(
        ds.status,
        desired_number_scheduled=desired,
        current_number_scheduled=current,
        number_misscheduled=misscheduled,
        number_ready=ready,
        updated_number_scheduled=updated,
        number_available=available,
        number_unavailable=desired - available,
        observed_generation=ds.metadata.generation,
    )
