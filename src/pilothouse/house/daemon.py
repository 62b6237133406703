"""A cluster's own processes: started in sessions of their own, known by a lock they hold, ended by their pid.

The lock tells that a process lives better than a pid does: the kernel lets it go with the process, whatever killed it.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from pilothouse.kit import filelock
from pilothouse.kit.clock import SystemClock, pause
from pilothouse.seams.house import HouseError

READY_FD, FOLDER_FD = "PILOTHOUSE_READY_FD", "PILOTHOUSE_FOLDER_FD"
STOP_SECONDS = 15.0
TWIN_EXIT = 75
"""The exit code of a process that found its twin running."""
CLOCK = SystemClock()
_PID_TRIES, _PID_SECONDS = 100, 0.01


@dataclass(frozen=True)
class Daemon:
    """One process of a cluster. `command` starts it; it says on the ready pipe how far it is. It gets an open
    descriptor of `folder` (`given_folder`), if there is one: it may not see it by its path."""

    name: str
    command: tuple[str, ...]
    lock: pathlib.Path
    log: pathlib.Path
    folder: pathlib.Path | None = None

    def pid(self) -> int | None:
        """The pid of the living process, None if it does not run."""
        for _ in range(_PID_TRIES):
            try:
                with open(self.lock, "rb") as file:
                    if filelock.take(file, wait=False, shared=True):
                        return None
                    text = file.read().decode(errors="replace")
            except FileNotFoundError:
                return None
            if text.isdecimal():
                return int(text)
            pause(_PID_SECONDS)  # it has the lock, and is about to write down who it is
        return None

    def start(self, seconds: float, heard: Callable[[str], None] = lambda step: None) -> bool:
        """Start it and wait until it says that it is ready; False if it ran already. Raises HouseError with its own
        words, or the end of its log, if it does not get there."""
        launched = self.launch()
        if launched is not None:
            launched.wait_ready(seconds, heard)
        return launched is not None

    def launch(self) -> Launched | None:
        """Start it, and let somebody else wait; None if it runs already."""
        if self.pid() is not None:
            return None
        if os.name == "nt":
            raise HouseError(
                "a cluster's processes cannot be started on Windows", "use WSL 2: pilothouse up works there"
            )
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY) if self.folder else None
        read_end, write_end = os.pipe()
        given = {READY_FD: write_end} | ({FOLDER_FD: folder} if folder is not None else {})
        with open(self.log, "ab") as log, open(os.devnull, "rb") as nothing:
            process = subprocess.Popen(
                self.command,
                stdin=nothing,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=tuple(given.values()),
                cwd="/",
                env={**os.environ, **{name: str(descriptor) for name, descriptor in given.items()}},
            )
        for descriptor in given.values():
            os.close(descriptor)
        return Launched(self, process, read_end)

    @property
    def more(self) -> str:
        """Where somebody can read on."""
        return f"its log may tell more: {self.log}"

    def log_tail(self) -> str:
        """The last thing it said, in one line."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return "(no log)"
        # Whole lines of the log, and the last words of a traceback, which stand at its left edge.
        said = [line for line in lines if line and not line.startswith((" ", "|", "+", "Traceback"))]
        return said[-1] if said else "(an empty log)"

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """End it: SIGTERM, then SIGKILL; False if it did not run."""
        pid = self.pid()
        if pid is None:
            return False
        for number, patience in ((signal.SIGTERM, seconds), (getattr(signal, "SIGKILL", signal.SIGTERM), 5.0)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return True
            deadline = CLOCK.monotonic() + patience
            while CLOCK.monotonic() < deadline:
                if self.pid() != pid:
                    return True
                pause(0.01)
        raise HouseError(f"{self.name} (pid {pid}) does not end", "it may wait for a device: look with `ps`")


@dataclass(frozen=True)
class Launched:
    """A process on its way to being ready; `pipe` is where it says how far it is."""

    daemon: Daemon
    process: subprocess.Popen[bytes]
    pipe: int

    def wait_ready(self, seconds: float, heard: Callable[[str], None] = lambda step: None) -> None:
        """Return when it is ready; HouseError if it ends before, or is not ready in time (then it is ended)."""
        with open(self.pipe, "rb") as pipe:
            try:
                self._follow(pipe.fileno(), seconds, heard)
            except HouseError:
                self.abandon()
                self.process.wait()
                raise

    def _follow(self, pipe: int, seconds: float, heard: Callable[[str], None]) -> None:
        deadline, pending = CLOCK.monotonic() + seconds, b""
        while True:
            lines, _, pending = pending.rpartition(b"\n")
            for line in lines.splitlines():
                said = json.loads(line)
                if "error" in said:
                    self.process.wait()
                    raise HouseError(said["error"], said.get("advice", ""))
                if "ready" in said:
                    self.process.returncode = 0  # it lives on in a session of its own: not ours to wait for
                    return
                heard(said["step"])
            if (chunk := _read_until(pipe, deadline)) is None:
                self.daemon.stop()
                what = f"was not ready after {seconds:.0f} s"
                raise HouseError(f"{self.daemon.name} {what}: {self.daemon.log_tail()}", self.daemon.more)
            if not chunk:
                code = self.process.wait()
                if code == TWIN_EXIT and self.daemon.pid() is not None:
                    return  # whoever started the other is gone, or waits for it
                what = f"ended with exit code {code}"
                raise HouseError(f"{self.daemon.name} {what}: {self.daemon.log_tail()}", self.daemon.more)
            pending += chunk

    def abandon(self) -> None:
        """Ask it to end before it is ready, if it is not yet; who waits for it hears that it did."""
        self.process.terminate()


def _read_until(pipe: int, deadline: float) -> bytes | None:
    """What the pipe has next, b"" at its end, None when the deadline passes."""
    import select

    readable, _, _ = select.select([pipe], [], [], max(deadline - CLOCK.monotonic(), 0))
    return os.read(pipe, 65536) if readable else None


def own_command(*arguments: str) -> tuple[str, ...]:
    """The command line that runs this package's daemon in a new interpreter."""
    return (sys.executable, "-m", "pilothouse", "--daemon", *arguments)


def given_folder() -> int | None:
    """The descriptor of the folder that this process was given, None if it was not. No program that it starts gets it:
    containers are among them."""
    number = os.environ.pop(FOLDER_FD, "")
    if not number:
        return None
    os.set_inheritable(int(number), False)
    return int(number)


class TwinRuns(HouseError):
    """Somebody else started the same process a moment before."""


class ReadinessPipe:
    """The daemon's side: holds the lock, and tells the one who started it."""

    def __init__(self, lock: pathlib.Path) -> None:
        self._lock = open(lock, "a+b")  # noqa: SIM115 - held for the life of the process
        if not filelock.take(self._lock, wait=False):
            raise TwinRuns(f"another process holds {lock}")
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()).encode())
        self._lock.flush()
        number = os.environ.pop(READY_FD, "")
        self._pipe: int | None = int(number) if number else None

    def _say(self, words: dict[str, str]) -> None:
        if self._pipe is None:
            return
        try:
            os.write(self._pipe, json.dumps(words).encode() + b"\n")
        except BrokenPipeError:
            self._pipe = None

    def step(self, name: str) -> None:
        self._say({"step": name})

    def ready(self) -> None:
        self._say({"ready": "yes"})
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def failed(self, message: str, advice: str = "") -> None:
        self._say({"error": message, "advice": advice})


def wait_all_ready(launched: Sequence[tuple[Launched, float]]) -> None:
    """Wait for several at once, each with its patience in seconds. The first that fails ends them all, so that nobody
    waits for the others' patience; its HouseError is raised."""
    if not launched:
        return
    with ThreadPoolExecutor(max_workers=len(launched)) as pool:
        waits = [pool.submit(one.wait_ready, seconds) for one, seconds in launched]
        try:
            for ended in as_completed(waits):
                ended.result()
        except (HouseError, KeyboardInterrupt):
            for one, _ in launched:
                one.abandon()
            raise


def stop_all(daemons: Sequence[Daemon]) -> None:
    """End several at once: all are asked first, then waited for."""
    for daemon in daemons:
        if (pid := daemon.pid()) is not None:
            os.kill(pid, signal.SIGTERM)
    for daemon in daemons:
        daemon.stop()
