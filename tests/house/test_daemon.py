"""Daemons: known by their lock, ended by their pid, heard through their pipe."""

from __future__ import annotations

import pathlib
import sys
from dataclasses import replace

import pytest

from pilothouse.house.daemon import Daemon, wait_all_ready
from pilothouse.seams.house import HouseError

PRELUDE = """
import pathlib, signal, sys
from pilothouse.house.daemon import ReadinessPipe
readiness = ReadinessPipe(pathlib.Path(sys.argv[1]))
"""


def daemon(tmp_path: pathlib.Path, body: str) -> Daemon:
    lock = tmp_path / "run/d.lock"
    return Daemon("d", (sys.executable, "-c", PRELUDE + body, str(lock)), lock, tmp_path / "logs/d.log")


def test_it_gets_a_descriptor_of_its_folder_alone(tmp_path: pathlib.Path) -> None:
    """What it starts does not: containers are among that."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state/cluster.json").write_text("{}")
    body = """
import os, subprocess
from pilothouse.house.daemon import given_folder
from pilothouse.house.paths import Paths
folder = given_folder()
paths = Paths(pathlib.Path("/nowhere"), pathlib.Path("/nowhere")).through(folder)
assert paths.spec.read_text() == "{}", paths
assert given_folder() is None
seen = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False).stdout
readiness.failed("inherited" if str(pathlib.Path(f"/proc/self/fd/{folder}").readlink()) in seen else "not inherited")
"""
    one = replace(daemon(tmp_path, body), folder=tmp_path / "state")
    with pytest.raises(HouseError, match="not inherited"):
        one.start(20)


def test_it_is_found_and_ended(tmp_path: pathlib.Path) -> None:
    one = daemon(tmp_path, "readiness.step('half'); readiness.ready(); signal.pause()")
    heard: list[str] = []
    assert one.pid() is None
    assert one.start(20, heard.append)
    assert heard == ["half"]
    assert one.pid() is not None
    assert not one.start(20)
    assert one.stop()
    assert one.pid() is None
    assert not one.stop()


def test_one_that_cannot_start_says_why(tmp_path: pathlib.Path) -> None:
    one = daemon(tmp_path, "readiness.failed('port 1 is busy', 'free it'); sys.exit(1)")
    with pytest.raises(HouseError, match="port 1 is busy") as caught:
        one.start(20)
    assert caught.value.advice == "free it"
    assert one.pid() is None


def test_one_that_dies_shows_the_end_of_its_log(tmp_path: pathlib.Path) -> None:
    one = daemon(tmp_path, "print('the reason', flush=True); sys.exit(3)")
    with pytest.raises(HouseError, match="exit code 3: the reason"):
        one.start(20)


def test_one_that_ignores_the_signal_is_killed(tmp_path: pathlib.Path) -> None:
    one = daemon(
        tmp_path, "signal.signal(signal.SIGTERM, signal.SIG_IGN); readiness.ready()\nwhile True: signal.pause()"
    )
    one.start(20)
    assert one.stop(seconds=0.2)
    assert one.pid() is None


def test_one_that_never_gets_ready_is_ended(tmp_path: pathlib.Path) -> None:
    one = daemon(tmp_path, "readiness.step('x'); signal.pause()")
    with pytest.raises(HouseError, match="not ready after"):
        one.start(0.8)
    assert one.pid() is None


def test_one_that_fails_ends_the_others_wait(tmp_path: pathlib.Path) -> None:
    waiting = daemon(tmp_path / "a", "readiness.step('x'); signal.pause()")
    failing = daemon(tmp_path / "b", "readiness.failed('port 1 is busy'); sys.exit(1)")
    ready = daemon(tmp_path / "c", "readiness.ready(); signal.pause()")
    launched = [one.launch() for one in (waiting, failing, ready)]
    with pytest.raises(HouseError, match="port 1 is busy"):
        wait_all_ready([(one, 600) for one in launched if one])
    assert waiting.pid() is None
    ready.stop()
