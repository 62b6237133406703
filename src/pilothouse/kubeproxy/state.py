"""From events about Services and EndpointSlices to what must be sent to the kernel. Pure: no I/O, no clock."""

from __future__ import annotations

import itertools
from dataclasses import replace

from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.kubeproxy.backends.nftables import base, items_of, items_of_fragment
from pilothouse.kubeproxy.backends.ruleset import Ruleset
from pilothouse.kubeproxy.model import Entry, Fragment, Frontend, HealthCheck, Place, StaleFlow, Table
from pilothouse.kubeproxy.model import fragment_of as _fragment_of
from pilothouse.kubeproxy.model import stale_flows as _stale_flows
from pilothouse.kubeproxy.model.table import EMPTY, Owner

SERVICE_LABEL = "kubernetes.io/service-name"


class ProxyState:
    """Everything the proxy knows. Tell it of changes, then `update`: the cost follows the number of changes."""

    def __init__(self, place: Place, table_name: str) -> None:
        self.place = place
        self.table = Table(place.pod_cidrs)
        self.ruleset = Ruleset("ip" if place.family == "IPv4" else "ip6", table_name, base(place))
        self._services: dict[Owner, Service] = {}
        self._slices: dict[Owner, dict[str, EndpointSlice]] = {}
        self._slice_owner: dict[tuple[str, str], Owner] = {}
        self._printed: dict[Frontend, Entry] = {}
        self._dirty: set[Owner] = set()

    def put_service(self, service: Service) -> None:
        owner = (service.metadata.namespace, service.metadata.name)
        self._services[owner] = service
        self._dirty.add(owner)

    def drop_service(self, service: Service) -> None:
        owner = (service.metadata.namespace, service.metadata.name)
        self._services.pop(owner, None)
        self._dirty.add(owner)

    def put_slice(self, piece: EndpointSlice) -> None:
        self.drop_slice(piece)
        if (owner := _owner(piece)) is not None:
            self._slices.setdefault(owner, {})[piece.metadata.name] = piece
            self._slice_owner[(piece.metadata.namespace, piece.metadata.name)] = owner
            self._dirty.add(owner)

    def drop_slice(self, piece: EndpointSlice) -> None:
        """Forget a slice, whichever Service it belonged to when last seen."""
        owner = self._slice_owner.pop((piece.metadata.namespace, piece.metadata.name), None)
        if owner is not None:
            del self._slices[owner][piece.metadata.name]
            if not self._slices[owner]:
                del self._slices[owner]
            self._dirty.add(owner)

    def move(self, zone: str) -> None:
        """The node's zone changed: hints may now choose other endpoints."""
        if zone != self.place.zone:
            self.place = replace(self.place, zone=zone)
            self._dirty.update(self._services)

    @property
    def dirty(self) -> bool:
        return bool(self._dirty)

    def update(self, limit: int | None = None) -> list[StaleFlow]:
        """Bring table and ruleset up to date, for at most `limit` Services; returns the flows to forget once the
        ruleset is in the kernel. `dirty` says whether there is more to do."""
        stale: list[StaleFlow] = []
        for owner in sorted(self._dirty) if limit is None else list(itertools.islice(self._dirty, limit)):
            self._dirty.discard(owner)
            after = self._fragment(owner)
            before = self.table.put(owner, after)
            if before == after:
                continue
            stale.extend(_stale_flows(before, after))
            self.ruleset.add(items_of_fragment(after))
            self.ruleset.remove(items_of_fragment(before))
            for frontend in before.entries.keys() | after.entries.keys():
                self._print(frontend)
        return stale

    def health_checks(self) -> list[HealthCheck]:
        """The health check ports that the node must serve now."""
        return [f.health_check for f in self.table.fragments().values() if f.health_check is not None]

    def _fragment(self, owner: Owner) -> Fragment:
        service = self._services.get(owner)
        return _fragment_of(service, self._slices.get(owner, {}).values(), self.place) if service else EMPTY

    def _print(self, frontend: Frontend) -> None:
        old, new = self._printed.get(frontend), self.table.entry(frontend)
        if old == new:
            return
        if new is None:
            del self._printed[frontend]
        else:
            self.ruleset.add(items_of(frontend, new, self.place))
            self._printed[frontend] = new
        if old is not None:
            self.ruleset.remove(items_of(frontend, old, self.place))


def _owner(piece: EndpointSlice) -> Owner | None:
    name = piece.metadata.labels.get(SERVICE_LABEL, "")
    return (piece.metadata.namespace, name) if name else None
