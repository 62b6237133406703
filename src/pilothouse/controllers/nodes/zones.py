"""How fast nodes of a zone may have their pods evicted: slower when many are unhealthy at once, not at all when
everything is, for then it is more likely that we are the ones cut off. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pilothouse.api.types.core.v1 import Node
from pilothouse.controllers.nodes.health import ready_of

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"


@dataclass(frozen=True, slots=True)
class Rates:
    """Nodes a second."""

    normal: float = 0.1
    secondary: float = 0.01
    threshold: float = 0.55
    large: int = 50


def zone_of(node: Node) -> str:
    labels = node.metadata.labels
    return f"{labels.get(REGION, '')}:\x00:{labels.get(ZONE, '')}"


EXCLUDED = "node.kubernetes.io/exclude-disruption"
"""A label: the node's health says nothing about the zone's."""


def counts(node: Node) -> bool:
    return EXCLUDED not in node.metadata.labels


def reports_ready(node: Node) -> bool:
    return ready_of(node) == "True"


def rates(nodes: Iterable[Node], told: Rates, healthy: Callable[[Node], bool] = reports_ready) -> dict[str, float]:
    """Evictions a second by zone; `healthy` says which nodes count as well."""
    ready: dict[str, int] = {}
    unready: dict[str, int] = {}
    for node in filter(counts, nodes):
        side = ready if healthy(node) else unready
        side[zone_of(node)] = side.get(zone_of(node), 0) + 1
    zones = {*ready, *unready}
    if zones and not ready:
        return dict.fromkeys(zones, 0.0)
    return {zone: _rate(ready.get(zone, 0), unready.get(zone, 0), told) for zone in zones}


def _rate(ready: int, unready: int, told: Rates) -> float:
    if not ready or unready <= 2 or unready / (ready + unready) < told.threshold:
        return told.normal
    return told.secondary if ready + unready > told.large else 0.0


class Disruption:
    """Whether no node at all is ready: then nobody is evicted, for it is more likely that we are cut off."""

    def __init__(self) -> None:
        self._counted: set[str] = set()
        self._ready: set[str] = set()

    @property
    def full(self) -> bool:
        return bool(self._counted) and not self._ready

    def see(self, name: str, node: Node | None) -> bool:
        """Note a node, None if it is gone; whether `full` has changed."""
        before = self.full
        self._counted.discard(name)
        self._ready.discard(name)
        if node is not None and counts(node):
            self._counted.add(name)
            if reports_ready(node):
                self._ready.add(name)
        return self.full != before


class Limiter:
    """One eviction at once, then one per 1/rate seconds."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def wait(self, zone: str, rate: float, now: float) -> float | None:
        """Seconds until the zone may have another; 0 takes it. None while its rate is nought."""
        if rate <= 0:
            return None
        due = self._next.get(zone, now)
        if due > now:
            return min(due - now, 1 / rate)
        self._next[zone] = now + 1 / rate
        return 0.0
