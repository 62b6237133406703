"""What is counted of every request, under the names that the real server's metrics have, and the request log.

Only what is routed is counted: labels come from routes, never from what a client made up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from pilothouse.apiserver.request.query import Query
from pilothouse.apiserver.request.request_info import RequestInfo
from pilothouse.kit.aside import in_turns
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, RawStream, Request, Response, Upgrade
from pilothouse.kit.metrics import CONTENT_TYPE, Counter, Gauge, Histogram, Registry

log = logging.getLogger("pilothouse.apiserver.requests")
_WHERE = ("group", "version", "resource", "subresource", "scope", "component")
_COMPONENT = "apiserver"
_BUCKETS = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
)  # fmt: skip
_SIZES = tuple(10.0**n for n in range(3, 10))
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
# Paths of no resource that are told apart.
_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi/v2", "/openapi/v3"})
SLOW = 1.0


def long_running(info: RequestInfo) -> bool:
    return info.verb in LONG_RUNNING or info.subresource in LONG_SUBRESOURCES


class _Series(NamedTuple):
    """What one kind of request is counted in."""

    total: Counter
    duration: Histogram
    sizes: Histogram | None
    running: Gauge


class RequestMetrics:
    """Sees requests begin and end."""

    def __init__(self, registry: Registry, clock: Clock, serves: Callable[[RequestInfo], bool]) -> None:
        self._clock = clock
        self._serves = serves
        self.registry = registry
        told = "Requests answered, by what they asked for and how it ended."
        self._total = registry.counter("apiserver_request_total", told, ("verb", "dry_run", *_WHERE, "code"))
        told = "Seconds from a request's head to its answer, watches and streams left out."
        labels = ("verb", "dry_run", *_WHERE)
        self._duration = registry.histogram("apiserver_request_duration_seconds", told, labels, _BUCKETS)
        told = "Seconds of requests as service levels count them: the same, dry runs left out."
        name = "apiserver_request_sli_duration_seconds"
        self._sli = registry.histogram(name, told, ("verb", *_WHERE), _BUCKETS)
        self._sizes = registry.histogram("apiserver_response_sizes", "Bytes of answers.", ("verb", *_WHERE), _SIZES)
        told = "Watches and streams that are open."
        self._running = registry.gauge("apiserver_longrunning_requests", told, ("verb", *_WHERE))
        inflight = registry.gauge("apiserver_current_inflight_requests", "Requests being answered.", ("request_kind",))
        self._reading, self._mutating = inflight.labels("readOnly"), inflight.labels("mutating")
        self._known: dict[tuple[object, ...], _Series] = {}

    def begun(self, info: RequestInfo) -> float:
        """The moment it began, to be given back to `ended`."""
        if not long_running(info):
            (self._mutating if info.verb in _MUTATING else self._reading).value += 1
        return self._clock.monotonic()

    def ended(
        self, request: Request, info: RequestInfo, query: Query, begun: float, answer: Answer | None
    ) -> Answer | None:
        """The answer to send; None if the handler failed."""
        lasts = long_running(info)
        if not lasts:
            (self._mutating if info.verb in _MUTATING else self._reading).value -= 1
        code = answer.status if answer is not None else 500
        seconds = self._clock.monotonic() - begun
        if log.isEnabledFor(logging.DEBUG) or (seconds > SLOW and not lasts):
            self._log(request, info, code, seconds)
        series = self._series(request, info, code, bool(query) and "dryRun" in query)
        if series is None:
            return answer
        series.total.value += 1
        if lasts:
            return self._held(answer, series.running)
        series.duration.observe(seconds)
        if series.sizes is not None and isinstance(answer, Response):
            body = answer.body
            if type(body) is tuple or type(body) is list:
                series.sizes.observe(sum(map(len, body)))
            elif isinstance(body, bytes):
                series.sizes.observe(len(body))
        return answer

    def _series(self, request: Request, info: RequestInfo, code: int, dry_run: bool) -> _Series | None:
        """None for what has no route."""
        named, clustered = bool(info.name), info.scope == ""
        verb = info.verb
        if verb == "patch" and (request.header(b"content-type") or b"").startswith(b"application/apply-patch"):
            verb = "apply"
        path = "" if info.is_resource else info.path
        key = (verb, info.group, info.version, info.resource, info.subresource, named, code, clustered, dry_run, path)
        found = self._known.get(key)
        if found is None and self._is_routed(info):
            found = self._known[key] = self._made(info, verb, code, dry_run)
        return found

    def _is_routed(self, info: RequestInfo) -> bool:
        if not info.is_resource:
            return info.path in _PATHS
        return self._serves(info)

    def _made(self, info: RequestInfo, verb: str, code: int, dry_run: bool) -> _Series:
        shown = _VERBS.get(verb, verb.upper()) or "OTHER"
        scope = "resource" if info.name else "namespace" if info.scope else "cluster"
        where = (info.group, info.version, info.resource, info.subresource, scope, _COMPONENT)
        if not info.is_resource:
            where = ("", "", "", info.path, "", _COMPONENT)
        dry = "All" if dry_run else ""
        lasts = long_running(info)
        duration = self._duration.labels(shown, dry, *where) if not lasts else Histogram(_BUCKETS)
        if not lasts and not dry:
            self._sli.adopt(duration, shown, *where)
        return _Series(
            self._total.labels(shown, dry, *where, str(code)),
            duration,
            self._sizes.labels(shown, *where) if verb in ("get", "list") and not lasts else None,
            self._running.labels(shown, *where) if lasts else Gauge(),
        )

    @staticmethod
    def _held(answer: Answer | None, running: Gauge) -> Answer | None:
        """The answer, counted as running until it is over."""
        if isinstance(answer, Response):
            running.inc()
            sent = answer.sent

            def over() -> None:
                running.dec()
                if sent is not None:
                    sent()

            return replace(answer, sent=over)
        if isinstance(answer, Upgrade):
            run = answer.run

            async def counted(stream: RawStream) -> None:
                running.inc()
                try:
                    await run(stream)
                finally:
                    running.dec()

            return replace(answer, run=counted)
        return answer

    def _log(self, request: Request, info: RequestInfo, code: int, seconds: float) -> None:
        agent = (request.header(b"user-agent") or b"").decode("latin-1")
        log.log(
            logging.INFO if seconds > SLOW else logging.DEBUG,
            "%s %s",
            request.method,
            request.target.decode("latin-1"),
            extra={
                "verb": info.verb,
                "code": code,
                "seconds": round(seconds, 4),
                "agent": agent,
                "from": request.remote[0],
            },
        )

    def caches(self, read: Callable[[], Mapping[tuple[str, str], tuple[int, int]]]) -> None:
        """Tell of caches: (group, resource) to (objects, watchers)."""
        full = {
            "apiserver_storage_objects": "Objects stored, by resource and group.",
            "apiserver_registered_watchers": "Open watches, those within the process included.",
        }
        for at, (name, told) in enumerate(full.items()):

            def by_name(at: int = at) -> Mapping[tuple[str, ...], float]:
                return {
                    (f"{resource}.{group}" if group else resource,): float(counts[at])
                    for (group, resource), counts in read().items()
                }

            self.registry.read(name, told, by_name, ("resource",))
        self.registry.read(
            "apiserver_resource_objects",
            "Objects stored.",
            lambda: {key: float(objects) for key, (objects, _) in read().items()},
            ("group", "resource"),
        )


async def text(registry: Registry) -> Response:
    """The exposition at /metrics; thousands of lines, so others get their turn."""
    parts = await in_turns(registry.names(), registry.text_of, each=1)
    return Response(200, "".join(parts).encode(), CONTENT_TYPE.encode())
