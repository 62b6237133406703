"""What is counted of every request, under the names that the real server's metrics have, and the request log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pilothouse.apiserver.filters.request_info import RequestInfo
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Request, Response
from pilothouse.kit.metrics import Counter, Histogram, Registry

log = logging.getLogger("pilothouse.apiserver.requests")
_LABELS = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
)  # fmt: skip
_MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_VERBS = {
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
LONG_RUNNING = frozenset({"watch", "proxy"})
LONG_SUBRESOURCES = frozenset({"exec", "attach", "portforward", "log", "proxy"})
SLOW = 1.0


def long_running(info: RequestInfo) -> bool:
    return info.verb in LONG_RUNNING or info.subresource in LONG_SUBRESOURCES


class Observation:
    """Sees requests begin and end."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._clock = clock
        self.registry = registry
        self._total = registry.counter("apiserver_request_total", "Requests answered.", (*_LABELS, "code"))
        told = "Seconds from a request's head to its answer, watches and streams left out."
        self._duration = registry.histogram("apiserver_request_duration_seconds", told, _LABELS, _BUCKETS)
        inflight = registry.gauge("apiserver_current_inflight_requests", "Requests being answered.", ("request_kind",))
        self._reading, self._mutating = inflight.labels("readOnly"), inflight.labels("mutating")
        self._counters: dict[tuple[Any, ...], tuple[Counter, Histogram]] = {}

    def begun(self, info: RequestInfo) -> float:
        """The moment it began, to be given back to `ended`."""
        (self._mutating if info.verb in _MUTATING else self._reading).inc()
        return self._clock.monotonic()

    def ended(self, request: Request, info: RequestInfo, begun: float, answer: Answer | None) -> None:
        """`answer` is None if the handler failed."""
        (self._mutating if info.verb in _MUTATING else self._reading).dec()
        code = answer.status if answer is not None else 500
        key = (
            info.verb,
            info.group,
            info.version,
            info.resource,
            info.subresource,
            bool(info.name),
            code,
            info.scope == "",
        )
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = self._labelled(info, code)
        counter, histogram = found
        counter.inc()
        seconds = self._clock.monotonic() - begun
        if not long_running(info):
            histogram.observe(seconds)
        if log.isEnabledFor(logging.DEBUG) or (seconds > SLOW and not long_running(info)):
            self._log(request, code, seconds)

    def _labelled(self, info: RequestInfo, code: int) -> tuple[Counter, Histogram]:
        verb = _VERBS.get(info.verb, info.verb.upper())
        scope = "resource" if info.name else "namespace" if info.scope else "cluster"
        labels = (
            verb,
            "",
            info.group,
            info.version,
            info.resource,
            info.subresource,
            scope if info.is_resource else "",
            "apiserver",
        )
        return self._total.labels(*labels, str(code)), self._duration.labels(*labels)

    def _log(self, request: Request, code: int, seconds: float) -> None:
        agent = (request.header(b"user-agent") or b"").decode("latin-1")
        log.log(
            logging.INFO if seconds > SLOW else logging.DEBUG,
            "%s %s",
            request.method,
            request.target.decode("latin-1"),
            extra={"code": code, "seconds": round(seconds, 4), "agent": agent, "from": request.remote[0]},
        )

    def caches(self, read: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        """Tell of caches: resource to (objects, watchers)."""
        self.registry.read(
            "apiserver_storage_objects",
            "Objects stored.",
            lambda: {(name,): float(objects) for name, (objects, _) in read().items()},
            ("resource",),
        )
        self.registry.read(
            "apiserver_registered_watchers",
            "Open watches.",
            lambda: {(name,): float(watchers) for name, (_, watchers) in read().items()},
            ("resource",),
        )


def text(registry: Registry) -> Response:
    """The exposition at /metrics."""
    return Response(200, registry.text().encode(), b"text/plain; version=0.0.4; charset=utf-8")
