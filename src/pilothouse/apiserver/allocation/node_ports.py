"""Node ports: those of stored Services and of writes under way are taken. One process gives them out."""

from __future__ import annotations

import collections

from pilothouse.api.types.core.v1 import Service
from pilothouse.apiserver.allocation.pools import NumberRange, PoolError
from pilothouse.apiserver.reader import Reader
from pilothouse.kit.random import Chance


def ports_of(obj: Service) -> set[int]:
    """The node ports of a Service, that of its health check included."""
    found = {p.node_port for p in obj.spec.ports if p.node_port}
    return found | {obj.spec.health_check_node_port} if obj.spec.health_check_node_port else found


class NodePortAllocator:
    """Knows which node ports are taken, from the cache of Services and from `hold`."""

    def __init__(self, numbers: NumberRange, reader: Reader, chance: Chance) -> None:
        self._numbers = numbers
        self._chance = chance
        self._stored: collections.Counter[int] = collections.Counter()
        self._held: collections.Counter[int] = collections.Counter()
        reader.observe(Service, self._seen)

    def _seen(self, before: Service | None, after: Service | None) -> None:
        if before is not None:
            self._stored.subtract(ports_of(before))
        if after is not None:
            self._stored.update(ports_of(after))

    def taken(self, port: int) -> bool:
        return self._stored[port] > 0 or self._held[port] > 0

    def claim(self, port: int, dry_run: bool) -> None:
        """Hold this very port. A dry run may name any that is free (portallocator.PortAllocationOperation). Raises
        PoolError."""
        if port not in self._numbers and not dry_run:
            first, last = self._numbers.first, self._numbers.first + self._numbers.size - 1
            told = f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
            raise PoolError(told)
        if self.taken(port):
            raise PoolError("provided port is already allocated")
        self._held[port] += 1

    def next(self) -> int:
        """Hold any port. Raises PoolError."""
        port = self._numbers.next(self.taken, self._chance)
        self._held[port] += 1
        return port

    def drop(self, port: int) -> None:
        """End a hold: the Service is stored now, or was refused."""
        self._held[port] -= 1
