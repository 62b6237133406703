"""The supervisor: what dies is started again with growing delays, and nothing runs that should not."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from pilothouse.house import exits, members, supervision
from pilothouse.house import spec as specs
from pilothouse.house.claim import claimed, try_claim
from pilothouse.house.daemon import Daemon
from pilothouse.house.log_size import MOST
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.supervision import FIRST_SECONDS, MOST_SECONDS, STEADY_SECONDS, Backoff, Record
from pilothouse.house.supervisor import Supervisor, Watched
from pilothouse.kit.clock import SystemClock, pause
from pilothouse.testing.clock import VirtualClock

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16")
STAYS = "readiness.ready(); signal.pause()"
ENDS = "sys.exit(3)"
PRELUDE = """
import pathlib, signal, sys
from pilothouse.house.daemon import ReadinessPipe
readiness = ReadinessPipe(pathlib.Path(sys.argv[1]))
"""


def test_delays_double_up_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    backoff, now, delays = Backoff(), 1000.0, []
    for _ in range(10):
        backoff = backoff.started(now).ended(now)
        delays.append(backoff.delay)
        assert backoff.due == now + backoff.delay
        now = backoff.due
    assert delays[:4] == [FIRST_SECONDS, 1.0, 2.0, 4.0]
    assert delays[-1] == MOST_SECONDS
    assert backoff.started(now).ended(now + STEADY_SECONDS).delay == FIRST_SECONDS


class Place:
    """A cluster of one process whose body the test chooses, and a supervisor on a clock that the test moves."""

    def __init__(self, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths = Paths(folder / "state/dev", folder / "run/dev")
        self.clock = VirtualClock()
        self.body = STAYS
        specs.save(self.paths, SPEC)
        monkeypatch.setattr(members, "daemons", lambda paths, spec: [self.daemon])
        self.supervisor = Supervisor(self.paths, self.clock)

    @property
    def daemon(self) -> Daemon:
        lock = self.paths.lock("control-plane")
        command = (sys.executable, "-c", PRELUDE + self.body, str(lock))
        return Daemon("control-plane", command, lock, self.paths.log("control-plane"))

    @property
    def record(self) -> Record:
        return supervision.load(self.paths).get("control-plane", Record())

    def kill(self) -> None:
        pid = self.daemon.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.daemon.pid() is None)

    def started_again(self) -> None:
        """Let the delay pass, and look until the process runs again."""
        self.clock.jump(MOST_SECONDS)
        assert self.supervisor.look()
        eventually(lambda: self.daemon.pid() is not None)

    def has_ended(self) -> bool:
        """Whether the supervisor knows of the end of what it started last."""
        self.supervisor.look()
        return self.record.since == 0.0


def eventually(check: Callable[[], bool]) -> None:
    clock = SystemClock()
    end = clock.monotonic() + 20
    while not check():
        assert clock.monotonic() < end
        pause(0.005)


@pytest.fixture
def place(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    made = Place(tmp_path, monkeypatch)
    yield made
    made.daemon.stop()
    made.supervisor.leave()


def test_what_is_killed_comes_again_after_a_delay_and_is_told(place: Place) -> None:
    place.daemon.start(20)
    place.supervisor.look()
    assert place.record.restarts == 0
    first = place.daemon.pid()
    place.kill()
    place.supervisor.look()
    assert place.daemon.pid() is None  # the delay is not over
    assert place.record.last_exit == "killed by signal 9 (SIGKILL)"  # though a command started it
    place.started_again()
    assert place.daemon.pid() != first
    place.kill()
    place.supervisor.look()
    assert place.record.restarts == 1
    assert place.record.last_exit == "killed by signal 9 (SIGKILL)"
    assert place.record.last_exit_at == place.clock.now()
    place.started_again()
    assert place.record.restarts == 2
    assert place.record.since == place.clock.now()


def test_a_crash_loop_slows_down(place: Place) -> None:
    place.body = ENDS
    starts = 0
    for _ in range(600):  # a minute, in tenths of a second
        before = place.record.restarts
        place.supervisor.look()
        if place.record.restarts > before:
            starts += 1
            eventually(place.has_ended)
        place.clock.jump(0.1)
    assert place.record.last_exit == "exit code 3"
    assert 4 <= starts <= 8


def test_logs_stay_bounded(place: Place) -> None:
    log = place.paths.log("control-plane")
    place.daemon.start(20)
    os.truncate(log, MOST)
    place.supervisor.look()
    assert log.stat().st_size == MOST
    os.truncate(log, MOST + 1)
    place.supervisor.look()
    assert (log.stat().st_size, log.with_name("control-plane.log.1").stat().st_size) == (0, MOST + 1)


def test_nothing_is_started_while_a_command_changes_the_cluster(place: Place) -> None:
    with claimed(place.paths):
        for _ in range(3):
            place.supervisor.look()
            place.clock.jump(MOST_SECONDS)
    assert place.daemon.pid() is None
    place.started_again()


def test_what_a_command_started_is_adopted(place: Place) -> None:
    place.supervisor.look()
    place.kill()
    place.supervisor.look()
    place.daemon.start(20)  # by `up`
    place.clock.jump(MOST_SECONDS)
    restarts = place.record.restarts
    place.supervisor.look()
    assert place.record.restarts == restarts


def test_it_ends_with_the_cluster_and_survives_a_broken_spec(place: Place) -> None:
    place.daemon.start(20)
    place.paths.spec.write_text("{")
    assert place.supervisor.look()
    place.paths.spec.unlink()
    place.daemon.stop()
    assert not place.supervisor.look()
    assert place.daemon.pid() is None


def test_a_dead_child_leaves_no_zombie(place: Place) -> None:
    place.started_again()
    pid = place.daemon.pid()
    place.kill()
    place.supervisor.look()
    with pytest.raises(ProcessLookupError):
        os.kill(pid or 0, 0)


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "killed by signal 9 (SIGKILL)")]
)
def test_exits_in_words(code: int, words: str) -> None:
    assert exits.of_code(code) == words


def stranger(words: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process of another parent (as far as `exits` knows), and its pidfd."""
    child = subprocess.Popen([sys.executable, "-c", words], stdin=subprocess.PIPE)
    return child, os.pidfd_open(child.pid)


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ("import sys; sys.stdin.read(); sys.exit(7)", "exit code 7"),
        ("import os, sys; sys.stdin.read(); os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
    ],
)
def test_the_exit_of_a_stranger_is_known_until_its_parent_has_taken_note(words: str, how: str) -> None:
    child, descriptor = stranger(words)
    assert exits.of_stranger(descriptor, child.pid) == exits.UNKNOWN  # it runs
    assert child.stdin is not None
    child.stdin.close()
    assert exits.of_stranger(descriptor, child.pid, 20.0) == how
    child.wait()
    assert exits.of_stranger(descriptor, child.pid) in (how, exits.UNKNOWN)  # as old as the kernel is
    os.close(descriptor)


def test_the_supervisor_looks_before_the_parent_takes_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits, "_status", lambda descriptor: None)  # an older kernel
    child, descriptor = stranger("import sys; sys.stdin.read(); sys.exit(7)")
    watched = Watched(child.pid, descriptor)
    assert child.stdin is not None
    child.stdin.close()
    select.select([descriptor], [], [], 20.0)
    watched.note_end()
    child.wait()
    assert watched.exit() == "exit code 7"
    watched.close()
    child, descriptor = stranger("")
    child.communicate()
    late = Watched(child.pid, descriptor)
    assert late.exit() == "unknown (the supervisor was not its parent)"
    late.close()


def test_one_has_the_claim_and_a_file_that_was_taken_away_counts_for_nothing(tmp_path: pathlib.Path) -> None:
    paths = Paths(tmp_path / "state/dev", tmp_path / "run/dev")
    with claimed(paths):
        with try_claim(paths) as mine:
            assert not mine
        paths.claim.unlink()
        with try_claim(paths) as mine:
            assert mine  # another file, another claim
    with try_claim(paths) as mine:
        assert mine
