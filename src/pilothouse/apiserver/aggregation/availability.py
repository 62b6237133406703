"""Tells of each APIService whether it is available, by the rules of upstream's two controllers for that.

What this server serves itself is always available. For what a Service is to serve, the Service, its port and its
endpoints are looked at; the last check, a request to what stands behind it, is not made, since no request is passed on
to it either.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.go_text import quote
from pilothouse.api.time import format_time
from pilothouse.api.types.apiregistration.v1 import APIService, APIServiceCondition
from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.apiserver.reader import Reader
from pilothouse.kinds.apiregistration.apiservice import AVAILABLE, LOCAL
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry
from pilothouse.machinery.client import Client
from pilothouse.semantics import conditions

log = logging.getLogger(__name__)
SERVICE_OF_SLICE = "kubernetes.io/service-name"
NOT_PASSED_ON = "this API server passes no requests on to other API servers"
_GONE = ("NotFound", "Conflict")
_RETRY = 5.0
Place = tuple[str, str]
"""Namespace and name of a Service."""


def decide(api_service: APIService, service: Service | None, slices: Sequence[EndpointSlice]) -> tuple[str, str, str]:
    """Status, reason and message of the condition Available. `service` and `slices`: what there is of the Service that
    it names. Pure."""
    named = api_service.spec.service
    if named is None:
        return LOCAL
    where = f"service/{named.name} in {quote(named.namespace)}"
    if service is None:
        return "False", "ServiceNotFound", f"{where} is not present"
    if service.spec.type == "ClusterIP":
        port = next((port for port in service.spec.ports if port.port == named.port), None)
        if port is None:
            return "False", "ServicePortError", f"{where} is not listening on port {named.port}"
        if not slices:
            return "False", "EndpointsNotFound", f"cannot find endpointslices for {where}"
        if not any(_reaches(one, port.name or "") for one in slices):
            told = f"endpointslices for {where} have no addresses with port name {quote(port.name or '')}"
            return "False", "MissingEndpoints", told
    return "False", "FailedDiscoveryCheck", NOT_PASSED_ON


def _reaches(endpoints: EndpointSlice, port: str) -> bool:
    if all(one.conditions.ready is False for one in endpoints.endpoints or ()):
        return False
    return any(one.name == port and one.port is not None for one in endpoints.ports or ())


def _place(api_service: APIService | None) -> Place | None:
    named = api_service.spec.service if api_service is not None else None
    return (named.namespace, named.name) if named is not None else None


class Availability:
    """Works on the APIServices that changed, or whose Services did."""

    def __init__(self, reader: Reader, client: Client, clock: Clock, metrics: Registry) -> None:
        self._reader = reader
        self._client = client
        self._clock = clock
        self._waiting: dict[str, None] = {}
        self._changed = asyncio.Event()
        self._by_service: dict[Place, set[str]] = collections.defaultdict(set)
        metrics.read(
            "aggregator_unavailable_apiservice", "APIServices that are not available.", self._unavailable, ("name",)
        )
        told = "How often an APIService was no longer available, and why."
        self._lost = metrics.counter("aggregator_unavailable_apiservice_total", told, ("name", "reason"))
        reader.observe(APIService, self._api_service_changed)
        reader.observe(Service, self._service_changed)
        reader.observe(EndpointSlice, self._slice_changed)

    def _unavailable(self) -> Mapping[tuple[str, ...], float]:
        return {
            (one.metadata.name,): float(not conditions.is_true(one.status.conditions, AVAILABLE))
            for one in self._reader.list(APIService)
        }

    def _api_service_changed(self, old: APIService | None, new: APIService | None) -> None:
        if old is not None and (before := _place(old)) is not None:
            self._by_service[before].discard(old.metadata.name)
            if not self._by_service[before]:
                del self._by_service[before]
        if new is not None:
            if (after := _place(new)) is not None:
                self._by_service[after].add(new.metadata.name)
            self._look_at([new.metadata.name])

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        for one in (old, new):
            if one is not None:
                self._look_at(self._by_service.get((one.metadata.namespace, one.metadata.name), ()))

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for one in (old, new):
            if one is not None:
                service = one.metadata.labels.get(SERVICE_OF_SLICE, "")
                self._look_at(self._by_service.get((one.metadata.namespace, service), ()))

    def _look_at(self, names: Sequence[str] | set[str]) -> None:
        if names:
            self._waiting.update(dict.fromkeys(names))
            self._changed.set()

    async def run(self) -> None:
        """A task of the server; ends by cancellation."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                name = next(iter(self._waiting))
                del self._waiting[name]
                try:
                    await self.tell(name)
                except StatusError as error:
                    if error.reason not in _GONE:  # else the change that was in the way brings it here again
                        log.warning("cannot tell whether APIService %s is available: %s", name, error)
                        await self._clock.sleep(_RETRY)
                        self._waiting[name] = None

    async def tell(self, name: str) -> None:
        """Write the condition of one APIService if it is not so already. Raises StatusError."""
        held = self._reader.get(APIService, name)
        if held is None:
            return
        place = _place(held)
        service = self._reader.get(Service, place[1], place[0]) if place is not None else None
        status, reason, message = decide(held, service, self._slices(place) if service is not None else ())
        told = APIServiceCondition(
            type=AVAILABLE,
            status=status,
            reason=reason,
            message=message,
            last_transition_time=format_time(self._clock.now()),
        )
        found = conditions.put(held.status.conditions, told)
        if found == held.status.conditions:
            return
        await self._client.update(replace(held, status=replace(held.status, conditions=found)), subresource="status")
        if status != "True" and conditions.is_true(held.status.conditions, AVAILABLE):
            self._lost.labels(name, reason).inc()

    def _slices(self, place: Place | None) -> Sequence[EndpointSlice]:
        if place is None:
            return ()
        namespace, name = place
        return [
            one
            for one in self._reader.list(EndpointSlice, namespace)
            if one.metadata.labels.get(SERVICE_OF_SLICE) == name
        ]
