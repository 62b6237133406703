"""What the health endpoints of the API server tell of: upstream's checks, in upstream's order, as far as there is
something here that they are about.

A `poststarthook/…` is a part of the start: its check fails with `not finished` until it was gone through. What an
object in the store keeps from succeeding is logged and counted there, and does not keep the server from being ready: by
its API the object is mended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial

from pilothouse.apiserver.cacher.reflector import CacheReflector
from pilothouse.apiserver.endpoints.health import READYZ, Health
from pilothouse.kit import logs
from pilothouse.kit.clock import Clock
from pilothouse.seams.store import Store, StoreUnavailable

log = logging.getLogger(__name__)
STORE_SECONDS = 2.0
"""So long the store has for an answer (upstream: --etcd-healthcheck-timeout and --etcd-readycheck-timeout)."""
FLUSH_SECONDS, BLOCKED_SECONDS = 60.0, 120.0
INFORMERS = "generic-apiserver-start-informers"
FLOW_CONSUMER, FLOW_PRODUCER = "priority-and-fairness-config-consumer", "priority-and-fairness-config-producer"
DEFINITIONS, DEFINITIONS_SYNCED = "start-apiextensions-informers", "crd-informer-synced"
DEFINITION_CONTROLLERS = "start-apiextensions-controllers"
NAMESPACES = "start-system-namespaces-controller"
TRUST = "start-cluster-authentication-info-controller"
STORAGE = "storage-readiness"
REPAIR = "start-service-ip-repair-controllers"
ROLES, PRIORITIES = "rbac/bootstrap-roles", "scheduling/bootstrap-system-priority-classes"
KUBERNETES_SERVICE, SERVICE_RANGE = "bootstrap-controller", "start-kubernetes-service-cidr-controller"
AGGREGATOR = "start-kube-aggregator-informers"
LOCAL_AVAILABILITY = "apiservice-status-local-available-controller"
REMOTE_AVAILABILITY = "apiservice-status-remote-available-controller"
HOOKS = (
    INFORMERS, FLOW_CONSUMER, DEFINITIONS, DEFINITION_CONTROLLERS, DEFINITIONS_SYNCED, NAMESPACES, TRUST, STORAGE,
    REPAIR, ROLES, PRIORITIES, FLOW_PRODUCER, KUBERNETES_SERVICE, SERVICE_RANGE, AGGREGATOR, LOCAL_AVAILABILITY,
    REMOTE_AVAILABILITY,
)  # fmt: skip


class StartHooks:
    """Which parts of the start are over."""

    def __init__(self) -> None:
        self._finished: set[str] = set()

    def finish(self, *hooks: str) -> None:
        self._finished.update(hooks)

    async def check(self, hook: str) -> str:
        return "" if hook in self._finished else "not finished"


class LogWatch:
    """Whether the log takes what is written: it is flushed every minute, in a thread, which a reader that has stopped
    would hold up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._verified = clock.monotonic()

    async def run(self) -> None:
        """A task of the server; ends by cancellation."""
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            await asyncio.to_thread(logs.flush)
            self._verified = self._clock.monotonic()

    async def check(self) -> str:
        blocked = self._clock.monotonic() - self._verified >= BLOCKED_SECONDS
        return "logging blocked" if blocked else ""


async def ping() -> str:
    """That it is answered is the answer."""
    return ""


async def store_answers(store: Store, clock: Clock) -> str:
    """Whether the store tells its revision in time."""
    try:
        async with clock.timeout(STORE_SECONDS):
            await store.revision()
    except StoreUnavailable as error:
        return str(error)
    except TimeoutError:
        return "error getting data from etcd: context deadline exceeded"
    return ""


async def caches_synced(replicas: Iterable[CacheReflector]) -> str:
    """Whether all of them have what the store has."""
    if behind := [reflector.source.prefix for reflector in replicas if not reflector.synced]:
        return f"{len(behind)} informers not started yet: [{' '.join(behind)}]"
    return ""


async def not_ending(ending: Callable[[], bool]) -> str:
    return "process is shutting down" if ending() else ""


def declare(
    health: Health,
    store: Store,
    clock: Clock,
    replicas: Iterable[CacheReflector],
    log_watch: LogWatch,
    hooks: StartHooks,
    ending: Callable[[], bool],
) -> None:
    """Add all checks to `health`."""
    etcd = partial(store_answers, store, clock)
    health.add("ping", ping)
    health.add("log", log_watch.check)
    health.add("etcd", etcd)
    health.add("etcd-readiness", etcd, (READYZ,))
    health.add("informer-sync", partial(caches_synced, replicas), (READYZ,))
    for hook in HOOKS:
        health.add(f"poststarthook/{hook}", partial(hooks.check, hook))
    health.add("shutdown", partial(not_ending, ending), (READYZ,))
