"""The official Python client: the asyncio half of 37.x, and 36.x in its place."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import kubernetes
import pytest
from kubernetes import aio

from tests.clients.objects import config_map
from tests.programs import installed

pytestmark = pytest.mark.clients


@pytest.mark.usefixtures("connections_closed")
async def test_the_asyncio_half(kubeconfig: pathlib.Path, namespace: str) -> None:
    async with await aio.config.new_client_from_config(str(kubeconfig)) as connection:
        api = aio.client.CoreV1Api(connection)
        before = (await api.list_namespaced_config_map(namespace)).metadata.resource_version
        await api.create_namespaced_config_map(namespace, config_map("seen", a="1"))
        await api.delete_namespaced_config_map("seen", namespace)
        async with aio.watch.Watch() as told:
            events = told.stream(api.list_namespaced_config_map, namespace, resource_version=before, timeout_seconds=1)
            assert [event["type"] async for event in events] == ["ADDED", "DELETED"]


def test_the_other_version(kubeconfig: pathlib.Path) -> None:
    """All tests of the official client again, with 36.x in place of the environment's 37.x."""
    assert kubernetes.__version__.startswith("37.")
    environment = os.environ | {
        "PYTHONPATH": installed("kubernetes-36"), "PILOTHOUSE_TEST_KUBECONFIG": str(kubeconfig),
    }  # fmt: skip
    folder = pathlib.Path(__file__).parent
    tests = [str(folder / name) for name in ("test_kubernetes.py", "test_kubernetes_machinery.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", *tests], env=environment, cwd=folder.parents[1],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
