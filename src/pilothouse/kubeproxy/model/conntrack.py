"""Which flows of connectionless protocols the kernel would go on sending to where nobody answers any more."""

from __future__ import annotations

from typing import NamedTuple

from pilothouse.kubeproxy.model.table import Entry, Fragment, Frontend


class StaleFlow(NamedTuple):
    """Flows to forget: towards `frontend` (a node port if its ip is empty), now translated to `endpoint`;
    `endpoint == ""` means flows that were never translated, from the time when nobody answered."""

    frontend: Frontend
    endpoint: str


def _addresses(entry: Entry | None) -> set[str]:
    if entry is None:
        return set()
    pools = (entry.pool,) if entry.external is None else (entry.pool, entry.external)
    return {target.ip for pool in pools for target in pool.targets}


def stale_flows(before: Fragment, after: Fragment) -> list[StaleFlow]:
    """UDP flows that a change of a Service leaves behind. TCP notices by itself."""
    stale: list[StaleFlow] = []
    for frontend in sorted(before.entries.keys() | after.entries.keys()):
        if frontend.protocol != "udp":
            continue
        old, new = _addresses(before.entries.get(frontend)), _addresses(after.entries.get(frontend))
        stale.extend(StaleFlow(frontend, ip) for ip in sorted(old - new))
        if new and not old:
            stale.append(StaleFlow(frontend, ""))
    return stale
