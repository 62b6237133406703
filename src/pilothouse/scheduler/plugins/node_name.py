"""NodeName: a pod that asks for one node by name gets no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, Cycle, Hint, Rejection, reject_each
from pilothouse.scheduler.snapshot import View

REASON = "node(s) didn't match the requested node name"


class NodeName:
    name = "NodeName"
    events: Mapping[Change, Hint | None] = {Change.NODE_ADDED: None}

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        wanted = cycle.pod.pod.spec.node_name
        if not wanted:
            return ()
        return reject_each(view, lambda record: "" if record.name == wanted else REASON, resolvable=False)
