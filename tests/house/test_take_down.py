"""What a killed command leaves half started ends by itself, or is found."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from pilothouse.house import spec as specs
from pilothouse.house.daemon import TWIN_EXIT, Daemon, own_command
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.kit import filelock

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
