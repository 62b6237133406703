"""Health checks, and what is counted of them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.endpoints.health import Health
from pilothouse.apiserver.health_checks import LogWatch
from pilothouse.apiserver.parts import Parts
from pilothouse.apiserver.request.context import Context
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.messages import Response
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Store, StoreUnavailable
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from tests.apiserver.servers import asked, signer


async def test_results_are_counted() -> None:
    async with asked() as ask:
        assert (await ask("/readyz")).body == b"ok"
        assert (await ask("/readyz?exclude=etcd")).status == 200
        assert (await ask("/livez/ping")).status == 200
        answer = await ask("/metrics/slis")
        lines = answer.body.decode().splitlines()
        assert answer.headers["content-type"].startswith("text/plain")
        assert 'kubernetes_healthcheck{name="etcd",type="readyz"} 1' in lines
        assert 'kubernetes_healthchecks_total{name="ping",status="success",type="readyz"} 2' in lines
        assert 'kubernetes_healthchecks_total{name="etcd",status="success",type="readyz"} 1' in lines
        assert not any('type="livez"' in line for line in lines)


HOOKS = """\
[+]poststarthook/generic-apiserver-start-informers ok
[+]poststarthook/priority-and-fairness-config-consumer ok
[+]poststarthook/start-apiextensions-informers ok
[+]poststarthook/start-apiextensions-controllers ok
[+]poststarthook/crd-informer-synced ok
[+]poststarthook/start-system-namespaces-controller ok
[+]poststarthook/start-cluster-authentication-info-controller ok
[+]poststarthook/storage-readiness ok
[+]poststarthook/start-service-ip-repair-controllers ok
[+]poststarthook/rbac/bootstrap-roles ok
[+]poststarthook/scheduling/bootstrap-system-priority-classes ok
[+]poststarthook/priority-and-fairness-config-producer ok
[+]poststarthook/bootstrap-controller ok
[+]poststarthook/start-kubernetes-service-cidr-controller ok
[+]poststarthook/start-kube-aggregator-informers ok
[+]poststarthook/apiservice-status-local-available-controller ok
[+]poststarthook/apiservice-status-remote-available-controller ok
"""


async def test_the_lists_are_upstreams_in_their_order() -> None:
    async with asked() as ask:
        ready = "[+]ping ok\n[+]log ok\n[+]etcd ok\n[+]etcd-readiness ok\n[+]informer-sync ok\n"
        expected = f"{ready}{HOOKS}[+]shutdown ok\nreadyz check passed\n"
        assert (await ask("/readyz?verbose")).body.decode() == expected
        for endpoint in ("livez", "healthz"):
            expected = f"[+]ping ok\n[+]log ok\n[+]etcd ok\n{HOOKS}{endpoint} check passed\n"
            assert (await ask(f"/{endpoint}?verbose")).body.decode() == expected
        assert (await ask("/livez/poststarthook/rbac/bootstrap-roles")).body == b"ok"
        paths = (await ask("/")).body.decode()
        assert "/readyz/shutdown" in paths
        assert "/livez/shutdown" not in paths


@pytest.mark.parametrize(
    "path", ["/livez/shutdown", "/livez/informer-sync", "/readyz/nothing", "/healthz/poststarthook"]
)
async def test_a_check_that_an_endpoint_has_not_is_not_found(path: str) -> None:
    async with asked() as ask:
        answer = await ask(path)
        assert (answer.status, answer.body) == (404, b"404 page not found\n")


async def test_checks_are_excluded_by_name() -> None:
    async with asked() as ask:
        text = (
            await ask("/readyz?verbose&exclude=etcd&exclude=ping&exclude=y&exclude=x&exclude=shutdown")
        ).body.decode()
        assert text.startswith("[+]ping excluded: ok\n[+]log ok\n[+]etcd excluded: ok\n[+]etcd-readiness ok\n")
        assert text.endswith(
            "[+]shutdown excluded: ok\n"
            'warn: some health checks cannot be excluded: no matches for "x","y"\nreadyz check passed\n'
        )


def parts(store: Store, **more: Any) -> Parts:
    return Parts(
        store=store,
        clock=SystemClock(),
        chance=Chance(7),
        authn=Settings(keys=(signer().key,)),
        signer=signer(),
        **more,
    )


async def found(health: Health, endpoint: str, query: dict[str, tuple[str, ...]], name: str = "") -> tuple[int, str]:
    answer = await health.answer(cast(Context, SimpleNamespace(query=query)), endpoint, name)
    assert isinstance(answer, Response)
    assert isinstance(answer.body, bytes)
    return answer.status, answer.body.decode()


async def test_a_server_is_ready_when_its_start_is_over_and_until_its_process_ends() -> None:
    ending = False
    server = assemble(parts(MemoryStore(), ending=lambda: ending))
    health = server.documents.health
    status, text = await found(health, "readyz", {})
    assert status == 500
    assert "[+]etcd ok\n[+]etcd-readiness ok\n[-]informer-sync failed: reason withheld\n" in text
    assert text.count("[-]poststarthook/") == HOOKS.count("\n")
    assert text.endswith("[+]shutdown ok\nreadyz check failed\n")
    hook = "poststarthook/rbac/bootstrap-roles"
    assert await found(health, "livez", {}, hook) == (500, "internal server error: not finished\n")
    _, why = await found(health, "readyz", {}, "informer-sync")
    assert "/registry/pods/" in why
    await server.start()
    assert await found(health, "readyz", {}) == (200, "ok")
    ending = True
    assert (await found(health, "readyz", {}))[1].endswith("[-]shutdown failed: reason withheld\nreadyz check failed\n")
    why = "internal server error: process is shutting down\n"
    assert await found(health, "readyz", {}, "shutdown") == (500, why)
    assert await found(health, "livez", {}) == (200, "ok")
    await server.close()


class Away(MemoryStore):
    """A store that can be away, or slow."""

    failure: Exception | None = None

    async def revision(self) -> int:
        if self.failure is not None:
            raise self.failure
        return await super().revision()


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (StoreUnavailable("it is away"), "it is away"),
        (TimeoutError(), "error getting data from etcd: context deadline exceeded"),
    ],
)
async def test_a_store_that_does_not_answer(failure: Exception, why: str) -> None:
    store = Away()
    server = assemble(parts(store))
    await server.start()
    health = server.documents.health
    store.failure = failure
    status, text = await found(health, "livez", {"verbose": ("",)})
    assert status == 500
    assert text.startswith("[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n")
    assert await found(health, "readyz", {}, "etcd-readiness") == (500, f"internal server error: {why}\n")
    store.failure = None
    assert await found(health, "livez", {}) == (200, "ok")
    await server.close()


async def test_a_log_that_is_stuck(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stuck(work: object) -> None:
        await asyncio.Event().wait()

    watch = LogWatch(clock)
    async with TaskScope("t") as scope:
        scope.spawn(watch.run(), "log")
        await clock.sleep(600.5)
        assert await watch.check() == ""
        monkeypatch.setattr(asyncio, "to_thread", stuck)
        await clock.sleep(200)
        assert await watch.check() == "logging blocked"
