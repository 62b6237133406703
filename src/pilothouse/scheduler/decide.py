"""One decision: which node a pod goes to, or why to none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.scheduler.framework import Cycle, Diagnosis, Framework, Outcome, Refused
from pilothouse.scheduler.snapshot import PodInfo, View

UNASKED = "node(s) didn't satisfy plugin(s)"
Nominated = Iterable[tuple[PodInfo, str]]


@dataclass(frozen=True, slots=True)
class Decision:
    """`node`, or "" with a diagnosis."""

    node: str
    diagnosis: Diagnosis | None = None
    feasible: int = 0


def decide(framework: Framework, cycle: Cycle, nominated: Nominated, draw: Callable[[int], int]) -> Decision:
    """Where `cycle.pod` goes. `nominated` are pods that wait for room on a node, with its name; `draw` gives a number
    below its argument and chooses among equally good nodes."""
    snapshot = cycle.snapshot
    diagnosis = Diagnosis(len(snapshot))
    if not len(snapshot):
        return Decision("", diagnosis)
    refused = framework.pre_filter(cycle)
    if refused is not None:
        return Decision("", _refused(diagnosis, refused))
    promised = next((node for info, node in nominated if info.uid == cycle.pod.uid), "")
    record = snapshot.node(promised) if promised else None
    if record is not None:
        # Room was made there for this very pod, or somebody who plans with nodes wants it there.
        there = filter_with_nominated(framework, cycle, snapshot.at(record.row), nominated)
        if there.feasible[0]:
            return Decision(record.name, None, 1)
    everything = np.arange(len(snapshot))
    asked, narrowing = _asked(framework, cycle, everything)
    view = snapshot.view() if len(asked) == len(everything) else View(snapshot, asked)
    outcome = filter_with_nominated(framework, cycle, view, nominated)
    rows = asked[outcome.feasible]
    if not len(rows):
        diagnosis.counts, diagnosis.plugins = outcome.counts, outcome.plugins
        if narrowing and len(asked) < len(everything):
            diagnosis.counts[f"{UNASKED} [{' '.join(narrowing)}]"] += len(everything) - len(asked)
            diagnosis.plugins |= set(narrowing)
        diagnosis.resolvable = [int(row) for row in asked[~outcome.hopeless]]
        return Decision("", diagnosis)
    return Decision(snapshot.records[_best(framework, cycle, rows, draw)].name, None, len(rows))


def _asked(framework: Framework, cycle: Cycle, everything: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
    """The rows of the nodes that come into question, and the plugins that rule out the others."""
    narrowed = framework.narrow(cycle)
    if narrowed is None:
        return everything, ()
    records = (cycle.snapshot.node(name) for name in narrowed[0])
    rows = sorted(record.row for record in records if record is not None)
    return np.array(rows, dtype=everything.dtype), narrowed[1]


def _refused(diagnosis: Diagnosis, refused: Refused) -> Diagnosis:
    diagnosis.pre_filter = refused.reason
    diagnosis.plugins = {refused.plugin}
    if refused.resolvable:
        diagnosis.resolvable = list(range(diagnosis.nodes))
    return diagnosis


def _best(framework: Framework, cycle: Cycle, rows: np.ndarray, draw: Callable[[int], int]) -> int:
    if len(rows) == 1:
        return int(rows[0])
    snapshot = cycle.snapshot
    everything = len(rows) == len(snapshot)
    scores = framework.score(cycle, snapshot.view() if everything else View(snapshot, rows))
    best = np.flatnonzero(scores == scores.max())
    return int(rows[best[draw(len(best))]])


def filter_with_nominated(framework: Framework, cycle: Cycle, view: View, nominated: Nominated) -> Outcome:
    """Filter as if pods of at least the same priority that were promised a node were there already; and as things are,
    since they might never come, and the pod might need company that isn't there."""
    snapshot, pod = cycle.snapshot, cycle.pod
    promised = [
        (info, node)
        for info, node in nominated
        if info.uid != pod.uid and info.priority >= pod.priority and not snapshot.place_of(info.uid)
    ]
    if not promised:
        return framework.filter(cycle, view)
    for info, node in promised:
        snapshot.put_pod(info, node)
    try:
        outcome = framework.filter(cycle, view)
    finally:
        for info, _ in promised:
            snapshot.drop_pod(info.uid)
    if outcome.feasible.any():
        plain = framework.filter(cycle, view)
        outcome.feasible &= plain.feasible
        outcome.counts += plain.counts if not outcome.feasible.any() else type(plain.counts)()
        outcome.plugins |= plain.plugins
        outcome.hopeless |= plain.hopeless
    return outcome
