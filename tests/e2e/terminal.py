"""A person at a terminal: runs a program in a pty of a size, types, and reads what comes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pilothouse.kit.clock import SystemClock

CLOCK = SystemClock()


class Terminal:
    """The person's side."""

    def __init__(self, master: int, pid: int) -> None:
        self._master = master
        self._pid = pid
        self.seen = b""
        self._read = 0  # how far of it was looked at

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, text: str, seconds: float = 15) -> None:
        """Reads on until `text` comes; AssertionError if it does not."""
        deadline = CLOCK.monotonic() + seconds
        while text.encode() not in self.seen[self._read :]:
            assert self._more(deadline - CLOCK.monotonic()), f"no {text!r} in {self.seen[self._read :]!r}"
        self._read = self.seen.index(text.encode(), self._read) + len(text)

    def _more(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = os.read(self._master, 4096)
        except OSError:  # EIO: nobody has the other side open any more
            return False
        self.seen += data
        return bool(data)

    def wait(self, seconds: float = 15) -> int:
        """The program's exit code; what it still writes is read."""
        while self._more(seconds):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


@contextmanager
def terminal(
    command: Sequence[str], environment: Mapping[str, str], rows: int = 33, columns: int = 77
) -> Iterator[Terminal]:
    """`command` in a terminal; who leaves the block hangs up."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvpe(command[0], list(command), dict(environment))
    try:
        person = Terminal(master, pid)
        person.resize(rows, columns)
        yield person
    finally:
        os.close(master)
