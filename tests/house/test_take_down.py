"""What a killed command leaves half started ends by itself, or is found."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from pilothouse.house import spec as specs
from pilothouse.house.clusters import Clusters
from pilothouse.house.daemon import TWIN_EXIT, Daemon, own_command
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.kit import filelock
from pilothouse.seams.house import HouseError, UpRequest
from tests.house.test_steps import Recorder

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16")


@pytest.fixture
def paths(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("PILOTHOUSE_HOME", str(tmp_path))
    made = Paths.of("dev")
    specs.save(made, SPEC)
    made.run.mkdir(parents=True)
    return made


def started() -> subprocess.CompletedProcess[str]:
    """The supervisor's process, which looks first at what all of them look at."""
    return subprocess.run(
        own_command("supervisor", "dev"), env=dict(os.environ), capture_output=True, text=True, timeout=30, check=False
    )


def test_a_process_of_a_cluster_that_is_gone_ends(paths: Paths) -> None:
    paths.spec.unlink()
    ended = started()
    assert (ended.returncode, ended.stderr) == (1, "supervisor ends: there is no cluster dev\n")


def test_a_process_whose_directories_are_gone_ends(paths: Paths) -> None:
    paths.run.rmdir()
    ended = started()
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_a_twin_gives_way_and_says_so(paths: Paths) -> None:
    with open(paths.lock("supervisor"), "w") as file:
        assert filelock.take(file, wait=False)
        assert started().returncode == TWIN_EXIT


def test_a_process_that_has_its_lock_is_found_before_it_says_who_it_is(tmp_path: pathlib.Path) -> None:
    script = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True)\n"
    script += "sys.stdin.readline(); f.write('77'); f.flush(); print(flush=True); sys.stdin.readline()"
    lock = tmp_path / "lock"
    command = [sys.executable, "-c", script, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        assert Daemon("d", (), lock, tmp_path / "log").pid() == 77
        process.stdin.write("\n")


HALF = "cluster dev is half removed: `pilothouse down --name dev` finishes it"


@pytest.fixture
def half_removed(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A cluster whose `down` was interrupted while its files were removed."""
    paths.log("node-1").parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            Clusters().down("dev", Recorder())
    assert str(caught.value) == f"interrupted at 'remove its files'; {HALF}"
    return paths


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_cluster_is_known_until_it_is_gone(half_removed: Paths) -> None:
    assert Clusters().names() == ["dev"]
    status = Clusters().status("dev")
    assert (status.ready, status.warnings) == (False, (HALF,))
    assert Clusters().down("dev", Recorder())
    assert Clusters().names() == []
    assert not half_removed.state.exists()
    assert not half_removed.run.exists()


def test_nothing_is_started_of_a_cluster_that_is_half_removed(half_removed: Paths) -> None:
    half_removed.run.mkdir(exist_ok=True)
    ended = started()
    assert (ended.returncode, ended.stderr) == (1, "supervisor ends: cluster dev is gone\n")
    with pytest.raises(HouseError, match="is half removed"):
        Clusters().up(UpRequest("dev", None, None), Recorder())


def test_a_full_disk_keeps_no_cluster(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "touch", full)
    assert Clusters().down("dev", Recorder())
    assert not paths.state.exists()
