"""kubernetes_asyncio, the official client's sibling on asyncio."""

from __future__ import annotations

import pathlib

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.stream import WsApiClient

from tests.clients.objects import config_map, pod

pytestmark = [pytest.mark.clients, pytest.mark.usefixtures("connections_closed")]


async def test_changes_are_watched(kubeconfig: pathlib.Path, namespace: str) -> None:
    async with await config.new_client_from_config(str(kubeconfig)) as connection:
        core = client.CoreV1Api(connection)
        before = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
        await core.create_namespaced_config_map(namespace, config_map("seen", a="1"))
        change = {"data": {"b": "2"}}
        merge = "application/merge-patch+json"
        patched = await core.patch_namespaced_config_map("seen", namespace, change, _content_type=merge)
        assert patched.data == {"a": "1", "b": "2"}
        await core.delete_namespaced_config_map("seen", namespace)
        async with watch.Watch() as told:
            events = told.stream(
                core.list_namespaced_config_map, namespace, field_selector="metadata.name=seen",
                resource_version=before, timeout_seconds=1,
            )  # fmt: skip
            assert [event["type"] async for event in events] == ["ADDED", "MODIFIED", "DELETED"]


async def test_exec(kubeconfig: pathlib.Path, namespace: str) -> None:
    async with await config.new_client_from_config(str(kubeconfig)) as connection:
        core = client.CoreV1Api(connection)
        await core.create_namespaced_pod(namespace, pod("shell"))
        async with watch.Watch() as told:
            async for event in told.stream(core.list_namespaced_pod, namespace, timeout_seconds=20):
                if event["object"].status.phase == "Running":
                    break
        async with WsApiClient(connection.configuration) as streaming:
            said = await client.CoreV1Api(streaming).connect_get_namespaced_pod_exec(
                "shell", namespace, command=["echo", "hello"], stdout=True, stderr=True, stdin=False
            )
    assert said == "hello\n"
