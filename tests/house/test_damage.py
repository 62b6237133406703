"""Damaged files of one cluster: said in words, no harm to others, and `down` takes it away all the same."""

from __future__ import annotations

import io
import os
import pathlib
import tarfile

import pytest

from pilothouse.house import spec as specs
from pilothouse.house.clusters import Clusters
from pilothouse.house.drain import must_move
from pilothouse.house.images import archive_file
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.seams.house import HouseError, UpRequest

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16", (NodeSpec("node-1", 1),))


class Silent:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...

    def abandoned(self, step: str) -> None: ...

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture
def paths(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    made = Paths.of("dev")
    specs.save(made, SPEC)
    return made


DAMAGE = [b"", b"{", b"\xff\xfe", b"[]", b'{"name": 3}', b"null"]


@pytest.mark.parametrize("data", DAMAGE)
def test_a_damaged_spec_is_said_and_down_knows_the_copy(paths: Paths, data: bytes) -> None:
    paths.spec.write_bytes(data)
    with pytest.raises(HouseError, match="cluster dev is broken") as caught:
        Clusters().status("dev")
    assert "pilothouse down --name dev" in caught.value.advice
    assert specs.salvage(paths) == SPEC
    progress = Silent()
    assert Clusters().down("dev", progress)
    assert "is broken" in progress.notes[0]
    assert not paths.state.exists()
    assert not Clusters().down("dev", progress)


@pytest.mark.parametrize("data", DAMAGE)
def test_without_a_copy_the_directories_tell(paths: Paths, data: bytes) -> None:
    paths.spec_copy.write_bytes(data)
    (paths.node_state("node-2") / "kubelet").mkdir(parents=True)
    found = specs.salvage(paths)
    assert found is not None
    assert (found.name, found.runtime, [node.name for node in found.nodes]) == ("dev", "simulated", ["node-2"])
    (paths.node_state("node-1") / "containerd").mkdir(parents=True)
    found = specs.salvage(paths)
    assert found is not None
    assert (found.runtime, len(found.nodes)) == ("containerd", 2)


def test_a_spec_that_is_lost_altogether(paths: Paths) -> None:
    paths.spec.unlink()
    assert Clusters().down("dev", Silent())
    assert not paths.state.exists()


def test_another_cluster_comes_up_beside_a_broken_one_and_leaves_it_its_port(paths: Paths) -> None:
    paths.spec.write_bytes(b"{")
    wanted = Clusters()._wanted(UpRequest("other", 0, "simulated"), None)
    assert wanted.api_port != SPEC.api_port
    with pytest.raises(HouseError, match="port 6443 is cluster dev's"):
        Clusters()._wanted(UpRequest("other", 0, "simulated", port=6443), None)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (UpRequest("dev", None, None, port=7000), "cluster dev has port 6443"),
        (UpRequest("dev", None, None, listen="198.51.100.77"), "cannot listen on 198.51.100.77"),
        (UpRequest("dev", None, "containerd"), "cluster dev runs simulated, not containerd"),
    ],
)
def test_what_cannot_be_changed_is_said(paths: Paths, request_: UpRequest, words: str) -> None:
    with pytest.raises(HouseError, match=words):
        Clusters()._wanted(request_, SPEC)


def test_an_archive_from_a_pipe_can_be_read_twice(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("x"))
    read_end, write_end = os.pipe()
    os.write(write_end, written.getvalue())
    os.close(write_end)
    with archive_file(pathlib.Path(f"/proc/self/fd/{read_end}"), tmp_path) as file:
        for _ in range(2):
            with tarfile.open(file) as tar:
                assert tar.getnames() == ["x"]
    os.close(read_end)
    assert list(tmp_path.iterdir()) == []


def test_archives_that_are_none(tmp_path: pathlib.Path) -> None:
    for archive, words in ((tmp_path / "none", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(HouseError, match=words), archive_file(archive, tmp_path):
            pass


def pod(phase: str = "Running", *, owner: str = "", mirror: bool = False) -> dict[str, object]:
    metadata: dict[str, object] = {"name": "p", "namespace": "default"}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner, "controller": True}]
    if mirror:
        metadata["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return {"metadata": metadata, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("one", "moves"),
    [
        (pod(), True),
        (pod("Pending", owner="ReplicaSet"), True),
        (pod(owner="DaemonSet"), False),
        (pod(mirror=True), False),
        (pod("Succeeded", owner="Job"), False),
        (pod("Failed"), False),
    ],
)
def test_draining_waits_for_pods_that_can_move(one: dict[str, object], moves: bool) -> None:
    assert must_move(one) is moves
