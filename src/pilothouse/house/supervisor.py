"""The supervisor of one cluster: a small process that starts again what ends by itself.

It does not make the cluster's processes its own: it watches those that hold their locks, whoever started them, so it
may end and come back at any time and disturbs nobody. While a command changes the cluster (it holds the claim), the
supervisor waits. It keeps no event loop and imports no room of the cluster.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from pilothouse.house import exits, members, supervision
from pilothouse.house import spec as specs
from pilothouse.house.claim import try_claim
from pilothouse.house.daemon import Daemon
from pilothouse.house.log_size import bound
from pilothouse.house.paths import Paths
from pilothouse.house.supervision import Backoff, Record
from pilothouse.kit.clock import Clock, pause
from pilothouse.seams.house import HouseError

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
"""How often it looks whether processes came or the cluster changed; the end of one wakes it at once."""
CHILD_SECONDS = 5.0
EXPLAIN_SECONDS = 30.0
LOCK_SECONDS = 10.0
_POLL_SECONDS = 0.02
_LEAST_WAIT = 0.1


@dataclass
class Watched:
    """A process that runs, or did when it was looked at last. `descriptor` becomes readable when it ends (-1 where
    there is no such thing); `child` is it if this process started it."""

    pid: int
    descriptor: int
    child: subprocess.Popen[bytes] | None = None
    ended: str = exits.UNKNOWN
    """How it ended, if that was seen when it did."""

    def alive(self, pid: int | None) -> bool:
        """Whether it still runs, given who holds its lock: a child has none yet when it begins."""
        return pid == self.pid or (self.child is not None and self.child.poll() is None)

    def exit(self) -> str:
        """How it ended."""
        if self.child is not None:
            return exits.of_child(self.child, CHILD_SECONDS)
        if self.ended == exits.UNKNOWN:
            self.ended = exits.of_stranger(self.descriptor, self.pid, CHILD_SECONDS)
        return self.ended

    def note_end(self) -> None:
        """Its descriptor says that it ended: look before its parent does, who takes with it what there is to see."""
        if self.child is None and self.ended == exits.UNKNOWN:
            self.ended = exits.of_stranger(self.descriptor, self.pid)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class Supervisor:
    """Watches the processes of the cluster at `paths` until it is told to end, or the cluster is gone."""

    def __init__(self, paths: Paths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._records: dict[str, Record] = dict(supervision.load(paths))
        self._backoffs: dict[str, Backoff] = {}
        self._watched: dict[str, Watched] = {}
        self._unexplained: list[tuple[str, Watched, float]] = []
        self._told = False
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Return when told to by SIGTERM or SIGINT, or when the cluster is gone. `ready` hears when it watches."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._tell)
        try:
            going = self.look()
            ready()
            while going and not self._told:
                self._wait()
                going = self.look()
        finally:
            self.leave()

    def leave(self) -> None:
        """Watch no more; the processes live on."""
        for _, watched, _ in self._unexplained:
            watched.close()
        for watched in self._watched.values():
            watched.close()
            if watched.child is not None and watched.child.poll() is None:
                watched.child.returncode = 0  # not ours to wait for any more
        self._watched.clear()
        signal.set_wakeup_fd(-1)
        for descriptor in (self._wake, self._waker):
            os.close(descriptor)

    def _tell(self, number: int, frame: object) -> None:
        self._told = True

    def look(self) -> bool:
        """One round: take note of what ended and what came, start again what is due. False: the cluster is gone."""
        try:
            spec = specs.load(self._paths)
        except HouseError as error:
            log.error("%s", error)
            return True
        if spec is None or self._paths.removing.exists():
            return False
        daemons = {daemon.name: daemon for daemon in members.daemons(self._paths, spec)}
        before = dict(self._records)
        self._records = {name: self._records.get(name, Record()) for name in daemons}
        for name in self._watched.keys() - daemons.keys():
            self._watched.pop(name).close()
        for daemon in daemons.values():
            if not self._told:
                self._look_at(daemon)
        self._bound_logs([*daemons, members.SUPERVISOR])
        self._explain()
        if self._records != before:
            self._save()
        return True

    def _save(self) -> None:
        try:
            supervision.save(self._paths, self._records)
        except OSError as error:
            log.error("what happened cannot be written down: %s", error)

    def _look_at(self, daemon: Daemon) -> None:
        pid, watched = daemon.pid(), self._watched.get(daemon.name)
        if watched is not None and not watched.alive(pid):
            del self._watched[daemon.name]
            words = watched.exit()
            with try_claim(self._paths) as mine:
                if mine:  # a command that changes the cluster ends processes on purpose
                    self._ended(daemon.name, words)
                    self._explain_later(daemon.name, watched, words)
                else:
                    watched.close()
            watched = None
        if watched is None and pid is not None:
            self._runs(daemon.name, Watched(pid, _descriptor(pid)))
        elif watched is None and self._backoff(daemon.name).due <= self._clock.monotonic():
            self._start(daemon)

    def _bound_logs(self, components: Sequence[str]) -> None:
        for component in components:
            try:
                if bound(self._paths.log(component)):
                    log.warning("the log of %s was too large and begins anew; see %s.log.1", component, component)
            except OSError as error:
                log.error("cannot keep the log of %s small: %s", component, error)

    def _explain_later(self, name: str, watched: Watched, words: str) -> None:
        """Who did not start a process hears how it ended only when its parent has."""
        if words == exits.UNKNOWN and watched.descriptor >= 0:
            self._unexplained.append((name, watched, self._clock.monotonic() + EXPLAIN_SECONDS))
        else:
            watched.close()

    def _explain(self) -> None:
        for item in list(self._unexplained):
            name, watched, deadline = item
            words = watched.exit()
            if words != exits.UNKNOWN and name in self._records:
                self._records[name] = msgspec.structs.replace(self._records[name], last_exit=words)
                log.info("%s had ended: %s", name, words)
            if words != exits.UNKNOWN or self._clock.monotonic() > deadline:
                watched.close()
                self._unexplained.remove(item)

    def _backoff(self, name: str) -> Backoff:
        return self._backoffs.get(name, Backoff())

    def _runs(self, name: str, watched: Watched) -> None:
        self._watched[name] = watched
        self._backoffs[name] = self._backoff(name).started(self._clock.monotonic())
        self._records[name] = msgspec.structs.replace(self._records[name], since=self._clock.now())

    def _ended(self, name: str, words: str) -> None:
        self._backoffs[name] = self._backoff(name).ended(self._clock.monotonic())
        self._records[name] = msgspec.structs.replace(
            self._records[name], last_exit=words, last_exit_at=self._clock.now(), since=0.0
        )
        log.warning("%s ended (%s)", name, words, extra={"again_in": f"{self._backoff(name).delay:g} s"})

    def _start(self, daemon: Daemon) -> None:
        """Start it again, unless a command is changing the cluster: then that decides what shall run."""
        with try_claim(self._paths) as mine:
            if not mine or daemon.pid() is not None or not self._paths.spec.exists():
                return
            try:
                launched = daemon.launch()
            except OSError as error:
                self._ended(daemon.name, f"it could not be started: {error}")
                return
            if launched is None:
                return
            os.close(launched.pipe)
            record = self._records[daemon.name]
            self._records[daemon.name] = msgspec.structs.replace(record, restarts=record.restarts + 1)
            log.info("%s is started again", daemon.name, extra={"restarts": record.restarts + 1})
            child = launched.process
            self._runs(daemon.name, Watched(child.pid, _descriptor(child.pid), child))
            self._save()
            # A command that comes now must find it by its lock.
            deadline = self._clock.monotonic() + LOCK_SECONDS
            while daemon.pid() is None and child.poll() is None and self._clock.monotonic() < deadline:
                pause(_POLL_SECONDS)

    def _wait(self) -> None:
        """Until something ends, a signal comes, a start is due, or it is time to look again."""
        ends = {w.descriptor: w for w in self._watched.values() if w.descriptor >= 0}
        readable, _, _ = select.select([self._wake, *ends], [], [], self._patience())
        for descriptor in readable:
            if (watched := ends.get(descriptor)) is not None:
                watched.note_end()
        if self._wake in readable:
            os.read(self._wake, 4096)

    def _patience(self) -> float:
        now = self._clock.monotonic()
        waits = [self._backoff(name).due - now for name in self._records if name not in self._watched]
        return max(_LEAST_WAIT, min([LOOK_SECONDS, *waits]))


def _descriptor(pid: int) -> int:
    """Becomes readable at the end of the process; -1 where the system has no such thing, or it has ended already."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1
