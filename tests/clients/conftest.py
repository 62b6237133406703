"""One simulated cluster with two nodes for all the client libraries, and a namespace for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import yaml
from kubernetes import client, config

from tests.clients.kubectl import Kubectl
from tests.clients.objects import eventually
from tests.programs import kubectl_name, kubectls

SOURCES = pathlib.Path(__file__).parents[2] / "src"
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[pathlib.Path]:
    """The configuration file of a cluster that lives as long as the test session (one for each xdist worker)."""
    if given := os.environ.get("PILOTHOUSE_TEST_KUBECONFIG"):  # a test that runs tests with another client
        yield pathlib.Path(given)
        return
    home = pathlib.Path(tempfile.mkdtemp(prefix="ph-", dir="/tmp"))
    found = home / "config"
    environment = os.environ | {"PILOTHOUSE_HOME": str(home), "KUBECONFIG": str(found), "PYTHONPATH": str(SOURCES)}

    def pilothouse(*arguments: str) -> None:
        command = [sys.executable, "-m", "pilothouse", *arguments, "--name", f"clients-{os.getpid()}"]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)

    try:
        pilothouse("up", "--runtime", "simulated", "--nodes", "2")
        yield found
    finally:
        pilothouse("down")
        shutil.rmtree(home)


@pytest.fixture
def connection(kubeconfig: pathlib.Path) -> Iterator[client.ApiClient]:
    """The official client's."""
    with config.new_client_from_config(str(kubeconfig)) as one:
        yield one
        one.rest_client.pool_manager.clear()  # it leaves its sockets to the garbage collector


@pytest.fixture
def core(connection: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(connection)


@pytest.fixture
async def connections_closed() -> AsyncIterator[None]:
    """Let the loop go on until nothing is open on it. A client on aiohttp or httpx says that it is closed while its TLS
    connections still take their leave of the server, and a loop that ends meanwhile leaves sockets behind."""
    yield
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        while len(selector.get_map()) > 1:  # noqa: ASYNC110 - no event tells of it; one is the loop's own
            await asyncio.sleep(0.01)


@contextmanager
def new_namespace(kubeconfig: pathlib.Path) -> Iterator[str]:
    """A namespace with its default ServiceAccount; deletion is asked for, not waited for."""
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    name = f"clients-{os.getpid()}-{next(NUMBERS)}"
    with api.api_client:
        api.create_namespace({"metadata": {"name": name}})
        eventually(lambda: api.list_namespaced_service_account(name).items)
        yield name
        api.delete_namespace(name)
        api.api_client.rest_client.pool_manager.clear()


@pytest.fixture
def namespace(kubeconfig: pathlib.Path) -> Iterator[str]:
    with new_namespace(kubeconfig) as name:
        yield name


@pytest.fixture(params=kubectls(), ids=kubectl_name)
def kubectl(
    request: pytest.FixtureRequest, kubeconfig: pathlib.Path, namespace: str, tmp_path: pathlib.Path
) -> Kubectl:
    """Each kubectl there is, in a namespace of its own."""
    own = yaml.safe_load(kubeconfig.read_text())
    for one in own["contexts"]:
        one["context"]["namespace"] = namespace
    (tmp_path / "config").write_text(yaml.safe_dump(own))
    return Kubectl(request.param, tmp_path / "config", namespace, tmp_path)
