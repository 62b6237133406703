"""One real cluster with two nodes for the whole end-to-end suite."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster


@pytest.fixture(scope="session")
def home() -> Iterator[pathlib.Path]:
    """A short path: sockets below it have 108 bytes in all."""
    assert os.geteuid() == 0, "the end-to-end tests need root: containers and network namespaces"
    path = pathlib.Path(tempfile.mkdtemp(prefix="ph-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def cluster(home: pathlib.Path) -> Iterator[Cluster]:
    one = Cluster("e2e", home)
    one.pilothouse("up", "--nodes", "2")
    try:
        one.pilothouse("image", "load", str(web.archive(home / "web.tar")))
        yield one
    finally:
        one.pilothouse("down")


@pytest.fixture
def other(home: pathlib.Path) -> Iterator[Callable[[str], Cluster]]:
    """Clusters of one test's own, by name. What a test that fails leaves of them is taken down before the next: it
    would stay the kubeconfig's current cluster, and take the machine's time."""
    made: list[Cluster] = []

    def make(name: str) -> Cluster:
        made.append(Cluster(name, home))
        return made[-1]

    yield make
    for one in made:
        if (home / "state" / one.name).exists():
            one.pilothouse("down", check=False)
