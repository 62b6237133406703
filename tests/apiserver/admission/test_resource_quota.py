"""ResourceQuota: what is refused, in which words, and that usage is charged without races."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError, conflict
from pilothouse.api.types.core.v1 import ConfigMap, Pod, ResourceQuota, Service
from pilothouse.apiserver.admission.plugins.resource_quota import ResourceQuotaPlugin
from pilothouse.machinery.client import Client
from pilothouse.testing.admission import attributes, plugin_context, send
from pilothouse.testing.reader import FakeReader


def quota(name: str, hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> ResourceQuota:
    used = used if used is not None else dict.fromkeys(hard, "0")
    tree = {
        "metadata": {"name": name, "namespace": "ns"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }
    return from_builtins(tree, ResourceQuota)


def pod(*containers: dict[str, Any], **spec: Any) -> Pod:
    tree = {"metadata": {"name": "p", "namespace": "ns"}, "spec": {"containers": list(containers), **spec}}
    return from_builtins(tree, Pod)


def container(
    name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}


class Writer:
    """Writes statuses into the reader; every second write meets a conflict first."""

    def __init__(self, reader: FakeReader) -> None:
        self._reader = reader
        self._writes = 0

    async def update(self, obj: Any, *, subresource: str = "") -> Any:
        assert subresource == "status"
        self._writes += 1
        await asyncio.sleep(0)
        if self._writes % 2:
            raise conflict("", "resourcequotas", obj.metadata.name, "changed")
        self._reader.put(obj)
        return obj


def plugin(*quotas: ResourceQuota) -> tuple[ResourceQuotaPlugin, FakeReader]:
    reader = FakeReader(*quotas)
    return ResourceQuotaPlugin(plugin_context(reader, cast(Client, Writer(reader)))), reader


async def refusal(made: ResourceQuotaPlugin, obj: Any, old: Any = None) -> str:
    with pytest.raises(StatusError) as caught:
        await send(made, attributes("CREATE" if old is None else "UPDATE", obj, old))
    assert caught.value.code == 403
    return caught.value.status.message


async def test_what_is_exceeded_is_told_by_name() -> None:
    made, _ = plugin(
        quota(
            "q",
            {"pods": "5", "requests.cpu": "1", "limits.cpu": "1"},
            {"pods": "1", "requests.cpu": "600m", "limits.cpu": "600m"},
        )
    )
    assert await refusal(made, pod(container("c", {"cpu": "500m"}, {"cpu": "500m"}))) == (
        'pods "p" is forbidden: exceeded quota: q, requested: limits.cpu=500m,requests.cpu=500m, '
        "used: limits.cpu=600m,requests.cpu=600m, limited: limits.cpu=1,requests.cpu=1"
    )


async def test_what_must_be_stated() -> None:
    made, _ = plugin(quota("q", {"requests.cpu": "1", "limits.memory": "1Gi"}))
    assert await refusal(made, pod(container("c", {"cpu": "1"}), container("d"))) == (
        'pods "p" is forbidden: failed quota: q: must specify limits.memory for: c,d; requests.cpu for: d'
    )


async def test_what_must_be_stated_is_asked_of_pods_that_state_nothing() -> None:
    made, reader = plugin(quota("q", {"requests.cpu": "1", "count/configmaps": "3"}))
    assert await refusal(made, pod(container("c"))) == (
        'pods "p" is forbidden: failed quota: q: must specify requests.cpu for: c'
    )
    # Every quota is asked before one is said to be exceeded.
    reader.put(quota("a", {"pods": "0"}))
    assert "failed quota: q: must specify" in await refusal(made, pod(container("c")))
    reader.put(quota("q", {"requests.cpu": "1"}, scopes=["NotBestEffort"]))
    assert "exceeded quota: a" in await refusal(made, pod(container("c")))


async def test_scopes_choose_pods() -> None:
    made, _ = plugin(quota("be", {"pods": "0"}, scopes=["BestEffort"]))
    assert "exceeded quota: be, requested: pods=1" in await refusal(made, pod(container("c")))
    await send(made, attributes("CREATE", pod(container("c", {"cpu": "1"}))))


async def test_an_unknown_status_refuses() -> None:
    made, _ = plugin(quota("q", {"pods": "5"}, {}))
    assert "status unknown for quota: q, resources: pods" in await refusal(made, pod(container("c")))


async def test_updates_are_charged_where_they_grow() -> None:
    made, _ = plugin(
        quota("q", {"services": "1", "services.nodeports": "0"}, {"services": "1", "services.nodeports": "0"})
    )
    tree = {"metadata": {"name": "s", "namespace": "ns"}, "spec": {"ports": [{"port": 80}]}}
    old = from_builtins(tree, Service)
    new = replace(old, spec=replace(old.spec, type="NodePort"))
    assert "requested: services.nodeports=1, used: services.nodeports=0" in await refusal(made, new, old)
    await send(made, attributes("UPDATE", old, old))


async def test_usage_is_charged_once_for_each_that_passes() -> None:
    made, reader = plugin(quota("q", {"configmaps": "3", "count/configmaps": "10"}))
    writes = [
        send(made, attributes("CREATE", from_builtins({"metadata": {"name": f"c{n}", "namespace": "ns"}}, ConfigMap)))
        for n in range(6)
    ]
    found = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(f, StatusError) for f in found) == 3
    after = reader.get(ResourceQuota, "q", "ns")
    assert after is not None
    assert {n: str(q) for n, q in after.status.used.items()} == {"configmaps": "3", "count/configmaps": "3"}


async def test_dry_runs_charge_nothing() -> None:
    made, reader = plugin(quota("q", {"pods": "1"}))
    write = attributes("CREATE", pod(container("c")))
    write.dry_run = True
    await send(made, write)
    after = reader.get(ResourceQuota, "q", "ns")
    assert after is not None
    assert str(after.status.used["pods"]) == "0"
