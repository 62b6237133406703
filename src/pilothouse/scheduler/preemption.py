"""Which pods would have to go so that another could come: found by trying, node by node. Pure.

Taken from the snapshot and put back at once: between two calls it is as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilothouse.api.selectors import of_object
from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.scheduler.decide import Nominated, filter_with_nominated
from pilothouse.scheduler.framework import Cycle, Framework
from pilothouse.scheduler.snapshot import NodeRecord, PodInfo

NO_VICTIMS = "No preemption victims found for incoming pod"
MIN_CANDIDATES = 100
CANDIDATE_SHARE = 10  # one in so many nodes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node with the pods that would go, the most important first, and how many budgets that would break."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int


def wanted_candidates(nodes: int) -> int:
    """After how many candidates to stop looking: the best of a hundred is good enough."""
    return min(nodes, max(MIN_CANDIDATES, nodes // CANDIDATE_SHARE))


def try_node(
    framework: Framework,
    cycle: Cycle,
    record: NodeRecord,
    nominated: Nominated,
    budgets: Sequence[PodDisruptionBudget],
) -> Candidate | Counter[str]:
    """Who would have to leave a node; or why it would not help."""
    snapshot, priority, name = cycle.snapshot, cycle.pod.priority, record.name
    lower = [info for info in record.pods.values() if info.priority < priority]
    if not lower:
        return Counter({NO_VICTIMS: 1})
    nominated = tuple(nominated)
    for info in lower:
        snapshot.drop_pod(info.uid)
    kept: set[str] = set()
    try:
        outcome = filter_with_nominated(framework, cycle, snapshot.at(record.row), nominated)
        if not outcome.feasible[0]:
            return outcome.counts
        victims: list[PodInfo] = []
        violations = 0
        breaking, harmless = _by_budget(sorted(lower, key=importance), budgets)
        for info, breaks in [*((i, True) for i in breaking), *((i, False) for i in harmless)]:
            snapshot.put_pod(info, name)
            if filter_with_nominated(framework, cycle, snapshot.at(record.row), nominated).feasible[0]:
                kept.add(info.uid)
                continue
            snapshot.drop_pod(info.uid)
            victims.append(info)
            violations += breaks
        return Candidate(name, tuple(sorted(victims, key=importance)), violations)
    finally:
        for info in lower:
            if info.uid not in kept:
                snapshot.put_pod(info, name)


def importance(info: PodInfo) -> tuple[int, str]:
    """A sort key: higher priority first, then the one that runs longer."""
    return -info.priority, started(info)


def started(info: PodInfo) -> str:
    """Since when it runs; as text, which sorts as time does. What has not begun comes last."""
    return info.pod.status.start_time or "9999"


def _by_budget(pods: Iterable[PodInfo], budgets: Sequence[PodDisruptionBudget]) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose going would break a budget, and the others; each that goes uses up some of it."""
    left = [b.status.disruptions_allowed for b in budgets]
    selectors = [of_object(b.spec.selector) for b in budgets]
    breaking: list[PodInfo] = []
    harmless: list[PodInfo] = []
    for info in pods:
        broken = False
        for number, budget in enumerate(budgets):
            selector = selectors[number]
            if budget.metadata.namespace != info.namespace or selector.empty or not selector.matches(info.labels):
                continue
            if info.name in budget.status.disrupted_pods:
                continue
            left[number] -= 1
            broken = broken or left[number] < 0
        (breaking if broken else harmless).append(info)
    return breaking, harmless


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The one that hurts least: broken budgets, then the most important victim, all victims, their number; and of
    equal ones the one whose most important victim runs shortest."""

    def harm(candidate: Candidate) -> tuple[int, int, int, int, int]:
        priorities = [v.priority for v in candidate.victims]
        top = max(priorities, default=-(2**31))
        return candidate.violations, top, sum(p + 2**31 for p in priorities), len(priorities), 0

    least = min(map(harm, candidates))
    equal = [c for c in candidates if harm(c) == least]
    return max(equal, key=_youth)


def _youth(candidate: Candidate) -> str:
    if not candidate.victims:
        return "9999"
    top = candidate.victims[0].priority
    return min(started(v) for v in candidate.victims if v.priority == top)
