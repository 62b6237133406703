"""kr8s, the client with kubectl's manners."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import kr8s
import pytest
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod

from tests.clients.objects import config_map, deployment, pod

# Each of its releases knows the Kubernetes versions of its day, and warns of all others.
pytestmark = [
    pytest.mark.clients,
    pytest.mark.usefixtures("connections_closed"),
    pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported"),
]


@pytest.fixture
async def api(kubeconfig: pathlib.Path, namespace: str) -> AsyncIterator[kr8s.asyncio.Api]:
    one = await kr8s.asyncio.api(kubeconfig=str(kubeconfig), namespace=namespace)
    yield one
    await one._session.aclose()  # it has no close of its own


async def test_rolls_out_scales_labels_and_executes(api: kr8s.asyncio.Api, namespace: str) -> None:
    web = await Deployment(deployment("web", 1), namespace=namespace, api=api)
    await web.create()
    await web.wait("condition=Available", timeout=20)
    await web.scale(2)
    await web.label(tier="front")
    await web.refresh()
    assert (web.replicas, web.labels["tier"]) == (2, "front")
    pod = await anext(api.get("pods", label_selector={"app": "web"}))
    assert isinstance(pod, Pod)
    await pod.wait("condition=Ready", timeout=20)
    said = await pod.exec(["echo", "hello"])
    assert (said.stdout, said.returncode) == (b"hello\n", 0)
    await web.delete()
    await web.wait("delete", timeout=20)


async def test_patches_and_watches(api: kr8s.asyncio.Api, namespace: str) -> None:
    settings = await ConfigMap(config_map("settings", a="1"), namespace=namespace, api=api)
    await settings.create()
    await settings.patch({"data": {"b": "2"}})
    assert settings.data == {"a": "1", "b": "2"}
    async with aclosing(api.watch("configmaps", field_selector="metadata.name=settings")) as told:
        kind, seen = await anext(told)
    assert (kind, seen.name) == ("ADDED", "settings")


async def test_forwards_a_port_and_reads_a_log(api: kr8s.asyncio.Api, namespace: str) -> None:
    body = pod("web")
    body["metadata"]["annotations"] = {"pilothouse.io/simulate-log": "one\ntwo"}
    web = await Pod(body, namespace=namespace, api=api)
    await web.create()
    await web.wait("condition=Ready", timeout=20)
    assert [line async for line in web.logs()] == ["one", "two"]
    async with web.portforward(80) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"simulated pod web" in await asyncio.wait_for(reader.read(), 20)
        writer.close()
    await web.delete()
