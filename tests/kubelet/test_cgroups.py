"""Cgroups of pods and of their classes, on a tree of plain folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet import cgroups
from pilothouse.kubelet.qos_cgroups import QosCgroups
from tests.kubelet.pods import container, pod

CAPACITY = {"cpu": parse("4"), "memory": parse("8Gi")}


def asking(uid: str, cpu: str = "", limit: str = "") -> Pod:
    """Best effort, burstable (with a request), or guaranteed (with a limit)."""
    resources = {}
    if cpu:
        resources = {"requests": {"cpu": cpu}}
    if limit:
        amounts = {"cpu": limit, "memory": "1Gi"}
        resources = {"requests": amounts, "limits": amounts}
    return pod(container(resources=resources), meta={"uid": uid})


@pytest.fixture(params=["v1", "v2"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """(version, the folder with processor figures)."""
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    if request.param == "v2":
        (tmp_path / "cgroup.controllers").write_text("cpu memory")
        return "v2", tmp_path
    for controller in ("cpu", "memory"):
        (tmp_path / controller).mkdir()
    return "v1", tmp_path / "cpu"


def test_classes_have_their_shares(tree: tuple[str, Path]) -> None:
    version, top = tree
    classes = QosCgroups("/node", CAPACITY)

    def figures() -> list[str]:
        name = "cpu.shares" if version == "v1" else "cpu.weight"
        paths = [top / "node/kubepods" / middle / name for middle in ("", "burstable", "besteffort")]
        return [path.read_text() for path in paths]

    classes.put(asking("idle"))
    assert figures() == (["4096", "2", "2"] if version == "v1" else ["157", "1", "1"])
    for one in (asking("a", "500m"), asking("b", "1500m"), asking("c", limit="2")):
        classes.put(one)
    assert figures() == (["4096", "2048", "2"] if version == "v1" else ["157", "79", "1"])
    classes.put(asking("b", "500m"))
    assert figures()[1] == ("1024" if version == "v1" else "39")
    for uid in ("a", "b", "nobody"):
        classes.drop(uid)
    assert figures()[1] == ("2" if version == "v1" else "1")


def test_all_pods_together_have_the_nodes_memory(tree: tuple[str, Path]) -> None:
    version, top = tree
    QosCgroups("/node", CAPACITY).put(asking("idle"))
    path = top / "node/kubepods/memory.max" if version == "v2" else top.parent / "memory/node/kubepods"
    found = path if version == "v2" else path / "memory.limit_in_bytes"
    assert found.read_text() == str(8 << 30)
