"""NodePorts: a port of the node's is taken once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, ClusterEvent, Cycle, Hint, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, PodInfo, View
from pilothouse.semantics.host_ports import NO_FREE_PORTS, host_ports


def _frees_a_port(pod: PodInfo, event: ClusterEvent) -> bool:
    freed = host_ports(event.old.spec) if event.old is not None else ()
    return any(w.clashes(f) for w in pod.profile.ports for f in freed)


class NodePorts:
    name = "NodePorts"
    events: Mapping[Change, Hint | None] = {Change.POD_GONE: _frees_a_port, Change.NODE_ADDED: None}

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        wanted = cycle.pod.profile.ports
        used = view.ints("ports")
        if not wanted or used is None or not used.any():
            return ()

        def check(record: NodeRecord) -> str:
            return NO_FREE_PORTS if any(w.clashes(held) for held in record.ports for w in wanted) else ""

        return reject_each(view, check)
