"""One simulated cluster with two nodes for all the client libraries, and a namespace for each test."""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from kubernetes import client, config

from tests.clients.objects import eventually

SOURCES = pathlib.Path(__file__).parents[2] / "src"
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[pathlib.Path]:
    """The configuration file of a cluster that lives as long as the test session (one for each xdist worker)."""
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
def namespace(kubeconfig: pathlib.Path) -> Iterator[str]:
    """A namespace with its default ServiceAccount; deletion is asked for, not waited for."""
    api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))
    name = f"clients-{next(NUMBERS)}"
    with api.api_client:
        api.create_namespace({"metadata": {"name": name}})
        eventually(lambda: api.list_namespaced_service_account(name).items)
        yield name
        api.delete_namespace(name)
        api.api_client.rest_client.pool_manager.clear()
