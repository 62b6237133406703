"""NodeUnschedulable: cordoned nodes take no pods, but those that tolerate it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.types.core.v1 import Taint
from pilothouse.scheduler.framework import Change, Cycle, Hint, Rejection, static_rejections
from pilothouse.scheduler.snapshot import View
from pilothouse.semantics import taints

REASON = "node(s) were unschedulable"
_TAINT = Taint(key=taints.UNSCHEDULABLE, effect=taints.NO_SCHEDULE)


def _becomes_schedulable(_: object, event: object) -> bool:
    node = getattr(event, "new", None)
    return node is not None and not node.spec.unschedulable


class NodeUnschedulable:
    name = "NodeUnschedulable"
    events: Mapping[Change, Hint | None] = {
        Change.NODE_ADDED: _becomes_schedulable,
        Change.NODE_TAINTS: _becomes_schedulable,
    }

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        return static_rejections(cycle, view, self.name, lambda whole: self._rejections(cycle, whole))

    def _rejections(self, cycle: Cycle, view: View) -> list[Rejection]:
        closed = view.ints("unschedulable")
        if closed is None or taints.tolerated(_TAINT, cycle.pod.pod.spec.tolerations):
            return []
        return [Rejection(closed != 0, REASON, resolvable=False)]
