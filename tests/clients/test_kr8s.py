"""kr8s, the client with kubectl's manners."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import kr8s
import pytest
from kr8s.asyncio.objects import ConfigMap, Deployment, Pod

from tests.clients.objects import config_map, deployment

# Each of its releases knows the Kubernetes versions of its day, and warns of all others.
pytestmark = [pytest.mark.clients, pytest.mark.filterwarnings("ignore:Kubernetes version .* is not supported")]


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
