"""Protocols of plugins, one for each extension point, and what makes small plugins short.

Vectorised plugins work on columns of a view. One that would rather look at a node at a time uses `reject_each`; what
depends on the pod's template and the nodes alone is worked out once for equal pods with `static_rejections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from pilothouse.scheduler.framework.cycle import Cycle
from pilothouse.scheduler.framework.events import Change, Hint
from pilothouse.scheduler.framework.outcome import Diagnosis, Refused, Rejection
from pilothouse.scheduler.snapshot.columns import FloatColumn
from pilothouse.scheduler.snapshot.record import NodeRecord
from pilothouse.scheduler.snapshot.view import View

MAX_SCORE = 100.0
FEW = 8
"""So few nodes are looked at by themselves, if what is true of all is not known anyway."""


class Plugin(Protocol):
    """`events` are the changes after which a pod that this plugin turned down is worth another attempt; a hint may
    say no to a particular one (None: every such change counts)."""

    name: str
    events: Mapping[Change, Hint | None]


@runtime_checkable
class PreFilterPlugin(Plugin, Protocol):
    def pre_filter(self, cycle: Cycle) -> Refused | None:
        """Look at the pod before any node."""
        ...


@runtime_checkable
class NarrowingPlugin(Plugin, Protocol):
    """Upstream's PreFilterResult."""

    def node_names(self, cycle: Cycle) -> frozenset[str] | None:
        """The only nodes that come into question; None: all may. The others are not looked at any further."""
        ...


@runtime_checkable
class FilterPlugin(Plugin, Protocol):
    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        """Nodes that can't take the pod. A node may be in several rejections: each reason is told."""
        ...


@runtime_checkable
class PostFilterPlugin(Plugin, Protocol):
    async def post_filter(self, cycle: Cycle, diagnosis: Diagnosis) -> tuple[str | None, str]:
        """When no node would do: try to make room. Returns the node to wait for ("": none, also none of those promised
        before; None: no change of that), and what is told in the pod's message. The snapshot must be as before at
        every await and in the end."""
        ...


@runtime_checkable
class PreScorePlugin(Plugin, Protocol):
    def pre_score(self, cycle: Cycle, view: View) -> bool:
        """Prepare; False: this pod needs no score of this plugin."""
        ...


@runtime_checkable
class ScorePlugin(Plugin, Protocol):
    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        """Points from 0 to 100 for each feasible node."""
        ...


@runtime_checkable
class ReservePlugin(Plugin, Protocol):
    def reserve(self, cycle: Cycle, node: str) -> Refused | None: ...

    def unreserve(self, cycle: Cycle, node: str) -> None:
        """Undo; also called when `reserve` was not, and then does nothing."""
        ...


@runtime_checkable
class PermitPlugin(Plugin, Protocol):
    async def permit(self, cycle: Cycle, node: str) -> Refused | None:
        """Delay (await) or prevent the binding."""
        ...


@runtime_checkable
class PreBindPlugin(Plugin, Protocol):
    def takes_time(self, cycle: Cycle, node: str) -> bool:
        """Whether `pre_bind` has anything to do: others are told of the node before it begins."""
        ...

    async def pre_bind(self, cycle: Cycle, node: str) -> Refused | None:
        """What must be done before the binding. May raise StatusError."""
        ...


@runtime_checkable
class BindPlugin(Plugin, Protocol):
    async def bind(self, cycle: Cycle, node: str) -> None:
        """Tell the API. Raises StatusError or TransportError."""
        ...


def reject_each(view: View, check: Callable[[NodeRecord], str], *, resolvable: bool = True) -> list[Rejection]:
    """Rejections of a plain function on one node, which returns the reason or ""."""
    masks: dict[str, np.ndarray] = {}
    for position, record in enumerate(view.records()):
        reason = check(record)
        if reason:
            masks.setdefault(reason, np.zeros(len(view), dtype=bool))[position] = True
    return [Rejection(mask, reason, resolvable) for reason, mask in masks.items()]


def static_rejections(
    cycle: Cycle, view: View, name: str, compute: Callable[[View], Sequence[Rejection]]
) -> Sequence[Rejection]:
    """Rejections that depend only on the pod's template and the nodes themselves, for any view."""
    if isinstance(view.rows, np.ndarray) and len(view) <= FEW and not cycle.has_per_profile(name):
        return compute(view)
    whole = cycle.per_profile(name, lambda: [r for r in compute(cycle.snapshot.view()) if r.mask.any()])
    if not whole or (isinstance(view.rows, slice) and view.rows == slice(0, len(cycle.snapshot))):
        return whole
    return [Rejection(r.mask[view.rows], r.reason, r.resolvable) for r in whole]


def normalized(raw: FloatColumn, *, reverse: bool = False) -> FloatColumn:
    """Scaled so that the largest has 100 (reversed: 0); whole numbers, as everywhere in scores."""
    top = raw.max(initial=0.0)
    if top == 0:
        return np.full(len(raw), MAX_SCORE if reverse else 0.0)
    scaled: FloatColumn = np.floor(raw * MAX_SCORE / top)
    return MAX_SCORE - scaled if reverse else scaled
