"""Cgroups of pods and of their classes, on a tree of plain folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet import cgroups
from pilothouse.kubelet.qos_cgroups import QosCgroups
from pilothouse.kubelet.resources import huge_page_limits
from pilothouse.seams.runtime import Resources
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

    assert classes.begin()
    assert cgroups.memory_limit("/node/kubepods") == 8 << 30
    assert cgroups.memory_limit("/node/kubepods/burstable") is None
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


def test_a_resize_writes_one_resource_and_says_what_it_cannot_write(tree: tuple[str, Path]) -> None:
    version, top = tree
    old, new = Resources(cpu_shares=102, memory_limit=64 << 20), Resources(cpu_shares=1024, memory_limit=32 << 20)
    assert not cgroups.exists("/node/pod")
    cgroups.apply("/node/pod", old)
    assert cgroups.exists("/node/pod")
    shares = top / "node/pod" / ("cpu.shares" if version == "v1" else "cpu.weight")
    memory = top / "node/pod/memory.max" if version == "v2" else top.parent / "memory/node/pod/memory.limit_in_bytes"
    before = shares.read_text()
    cgroups.change("/node/pod", new, "memory")
    assert (memory.read_text(), shares.read_text()) == (str(32 << 20), before)
    cgroups.change("/node/pod", new, "cpu")
    assert shares.read_text() != before
    with pytest.raises(OSError, match=r"gone/(cpu\.|)"):
        cgroups.change("/gone", new, "cpu")


def test_a_pod_has_the_huge_pages_it_asked_for_and_no_others(tree: tuple[str, Path]) -> None:
    version, top = tree
    amounts = {"hugepages-2Mi": "8Mi", "memory": "1Gi"}
    subject = pod(container(resources={"requests": amounts, "limits": amounts}))
    assert huge_page_limits(subject) == {2 << 20: 8 << 20}
    sizes = [2 << 20, 1 << 30, 64 << 10]
    if version == "v1":
        cgroups.limit_huge_pages("/node/pod", huge_page_limits(subject), sizes)
        assert not (top.parent / "hugetlb").exists(), "the kernel does not count them"
        (top.parent / "hugetlb").mkdir()
    folder = (top if version == "v2" else top.parent / "hugetlb") / "node/pod"
    folder.mkdir(parents=True)
    cgroups.limit_huge_pages("/node/pod", huge_page_limits(subject), sizes)
    end = "max" if version == "v2" else "limit_in_bytes"
    figures = {name: (folder / f"hugetlb.{name}.{end}").read_text() for name in ("2MB", "1GB", "64KB")}
    assert figures == {"2MB": str(8 << 20), "1GB": "0", "64KB": "0"}
