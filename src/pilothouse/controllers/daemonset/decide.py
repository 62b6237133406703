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


def decide(ds: DaemonSet, nodes: Sequence[Node], pods: Sequence[Pod], digest: str, now: float) -> Plan:
    """One pod on each node that should have one. Pods that ended are in `failed`, to be replaced with back-off."""
    plan = Plan()
    held = placement.by_target(pods)
    names = {n.metadata.name for n in nodes}
    for node in nodes:
        should, may = placement.belongs(ds, node)
        mine = held.get(node.metadata.name, [])
        lasting = [p for p in mine if p.metadata.deletion_timestamp is None]
        if not may:
            plan.delete += lasting
            continue
        alive = [p for p in lasting if not is_terminal(p)]
        plan.failed += [p for p in lasting if is_terminal(p)]
        if should and not (alive if surge_of(ds, 1) else mine):
            plan.create.append(node.metadata.name)
        elif len(alive) > 1:
            plan.delete += _surplus(ds, alive, digest, now)
    for name, orphaned in held.items():
        # Pods that were meant for a node that is gone and that never got there.
        if name not in names:
            plan.delete += [p for p in orphaned if not p.spec.node_name and p.metadata.deletion_timestamp is None]
    return plan


def _surplus(ds: DaemonSet, alive: Sequence[Pod], digest: str, now: float) -> list[Pod]:
    """All but the oldest. During a surge the oldest of the present template and the oldest of earlier ones may stand
    side by side, while the new one is not available and the old one is ready."""
    ordered = sorted(alive, key=_age)
    if not surge_of(ds, 1):
        return ordered[1:]
    new = [p for p in ordered if is_updated(ds, p, digest)]
    old = [p for p in ordered if not is_updated(ds, p, digest)]
    surplus = new[1:] + old[1:]
    if new and old and (not is_ready(old[0]) or _up(ds, new[0], now)):
        surplus.append(old[0])
    return surplus


def is_updated(ds: DaemonSet, pod: Pod, digest: str) -> bool:
    """Whether a pod is of the present template, by its hash or by the generation that old clients count."""
    labels = pod.metadata.labels
    generation = ds.metadata.annotations.get(placement.GENERATION_ANNOTATION)
    if digest and labels.get(placement.HASH_LABEL) == digest:
        return True
    return generation is not None and labels.get(placement.GENERATION_LABEL) == generation


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


@dataclass(frozen=True, slots=True)
class _View:
    """A node while a template is rolled out: its pod of the present template and the one of an earlier."""

    wanted: bool
    new: Pod | None = None
    old: Pod | None = None
    crowded: bool = False
    """It has several of one sort; those are seen to first."""


def roll(ds: DaemonSet, nodes: Sequence[Node], pods: Sequence[Pod], digest: str, now: float) -> Plan:
    """Replace pods of older templates, as many at a time as may be unavailable (or may stand beside the old ones)."""
    plan = Plan()
    if ds.spec.update_strategy.type == "OnDelete":
        return plan
    held = placement.by_target(pods)
    wanted = {n.metadata.name for n in nodes if placement.belongs(ds, n)[0]}
    views = {name: _view(ds, held.get(name, []), digest, name in wanted) for name in (wanted | held.keys())}
    if surge_of(ds, len(wanted)) > 0:
        _surge(ds, views, plan, surge_of(ds, len(wanted)), now)
    else:
        _replace(ds, views, plan, unavailable_of(ds, len(wanted)), now)
    return plan


def _view(ds: DaemonSet, pods: Sequence[Pod], digest: str, wanted: bool) -> _View:
    lasting = [p for p in pods if p.metadata.deletion_timestamp is None]
    new = [p for p in lasting if is_updated(ds, p, digest)]
    old = [p for p in lasting if not is_updated(ds, p, digest)]
    if len(new) > 1 or len(old) > 1:
        return _View(wanted, crowded=True)
    return _View(wanted, new[0] if new else None, old[0] if old else None)


def _up(ds: DaemonSet, pod: Pod | None, now: float) -> bool:
    return pod is not None and available_in(pod, ds.spec.min_ready_seconds, now) == 0


def _replace(ds: DaemonSet, views: Mapping[str, _View], plan: Plan, limit: int, now: float) -> None:
    down = 0
    broken: list[Pod] = []
    candidates: list[Pod] = []
    for name in sorted(views):
        view = views[name]
        if view.old is None or view.new is not None:
            down += view.old is not None or not _up(ds, view.new, now)
        elif not _up(ds, view.old, now):
            broken.append(view.old)
            down += 1
        else:
            candidates.append(view.old)
    plan.delete = broken + candidates[: max(limit - down, 0)]


def _surge(ds: DaemonSet, views: Mapping[str, _View], plan: Plan, limit: int, now: float) -> None:
    """New pods come beside old ones. Where a pod no longer belongs it goes only once enough others are available."""
    surging = available = 0
    candidates: list[str] = []
    retired: list[Pod] = []
    for name in sorted(views):
        view = views[name]
        new, old = view.new, view.old
        available += _up(ds, old if old is not None else new, now)
        if view.crowded or (old is not None and new is not None and not _up(ds, new, now)):
            surging += 1
        elif old is None:
            continue
        elif new is not None or not (view.wanted or _up(ds, old, now)):
            plan.delete.append(old)
        elif not view.wanted:
            retired.append(old)
        elif not _up(ds, old, now):
            plan.create.append(name)
        else:
            candidates.append(name)
    desired = sum(view.wanted for view in views.values())
    plan.delete += retired[: max(available - desired, 0)]
    plan.create += candidates[: max(limit - surging, 0)]


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
        updated += is_updated(ds, pod, digest)
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
