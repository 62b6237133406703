"""What plugins say about nodes and pods, and the sentence that people read in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pilothouse.scheduler.snapshot.columns import BoolColumn

NO_NODES = "no nodes available to schedule pods"
NOT_HELPFUL = "Preemption is not helpful for scheduling"


class Rejection(NamedTuple):
    """Nodes that a filter turns down, `mask` over its view. `resolvable`: with fewer pods on them they might do."""

    mask: BoolColumn
    reason: str
    resolvable: bool = True


class Refused(NamedTuple):
    """A whole pod turned down. `resolvable` as in Rejection; `retry`: waiting is enough (a Permit plugin's answer)."""

    plugin: str
    reason: str
    resolvable: bool = False


@dataclass(slots=True)
class Diagnosis:
    """Why no node would do. `counts` is reason to number of nodes; `pre_filter` a refusal of the pod as such;
    `plugins` those who turned something down; `resolvable` the rows where removing pods might help; `after` what the
    PostFilter plugins said."""

    nodes: int
    counts: Counter[str] = field(default_factory=Counter)
    pre_filter: str = ""
    plugins: set[str] = field(default_factory=set)
    resolvable: list[int] = field(default_factory=list)
    after: str = ""

    def message(self) -> str:
        """The text of the condition and the event."""
        if self.nodes == 0 and not self.pre_filter:
            return NO_NODES
        text = f"0/{self.nodes} nodes are available:"
        if self.pre_filter:
            text += f" {self.pre_filter}."
        elif self.counts:
            text += f" {', '.join(sorted(f'{n} {reason}' for reason, n in self.counts.items()))}."
        return f"{text} {self.after}" if self.after else text


@dataclass(slots=True)
class Outcome:
    """Which nodes passed all filters; `hopeless` marks those turned down for what fewer pods would not change."""

    feasible: BoolColumn
    hopeless: BoolColumn
    counts: Counter[str] = field(default_factory=Counter)
    plugins: set[str] = field(default_factory=set)

    @staticmethod
    def all_feasible(count: int) -> Outcome:
        return Outcome(np.ones(count, dtype=bool), np.zeros(count, dtype=bool))
