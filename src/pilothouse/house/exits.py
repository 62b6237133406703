"""How a process ended, in words; also of one that another process started, where the kernel tells."""

from __future__ import annotations

import os
import pathlib
import select
import signal
import struct
import subprocess

# ioctl PIDFD_GET_INFO of Linux (the exit since 6.15): a mask of what is asked for and what was given, and much else.
_INFO = struct.Struct("=QQ11Ii")
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_EXIT = 1 << 3
UNKNOWN = "unknown (the supervisor was not its parent)"
_STATE, _EXIT_CODE = 0, 49  # of /proc/PID/stat, counted after the name


def in_words(status: int) -> str:
    """A wait status (as `os.wait` has it): `exit code 1`, `killed by signal 9 (SIGKILL)`."""
    code = os.waitstatus_to_exitcode(status)
    return of_code(code)


def of_code(code: int) -> str:
    """An exit code, a signal's number negative."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"


def of_child(process: subprocess.Popen[bytes], seconds: float) -> str:
    """How a child ended, which lets go of it; it is given some seconds to be gone altogether."""
    try:
        return of_code(process.wait(seconds))
    except subprocess.TimeoutExpired:
        return UNKNOWN


def of_stranger(descriptor: int, pid: int, seconds: float = 0.0) -> str:
    """How the process `pid` behind a pidfd ended, which somebody else is the parent of; it is given some seconds to be
    gone altogether. Until its parent has taken note of the end the kernel shows it as a zombie; after that only Linux
    since 6.15 tells."""
    if descriptor < 0:
        return UNKNOWN
    select.select([descriptor], [], [], seconds)
    status = _zombie_status(descriptor, pid)
    if status is None:
        status = _status(descriptor)
    return UNKNOWN if status is None else in_words(status)


def _zombie_status(descriptor: int, pid: int) -> int | None:
    """The wait status of a process that has ended and still has its number; None of any other."""
    try:
        told = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        signal.pidfd_send_signal(descriptor, 0)  # the number was not given to another one while we read
    except (OSError, AttributeError):
        return None
    return int(told[_EXIT_CODE]) if told[_STATE] == "Z" else None


def _status(descriptor: int) -> int | None:
    try:
        import fcntl

        answer = fcntl.ioctl(descriptor, _GET_INFO, _INFO.pack(_EXIT, *[0] * 13))
    except (ImportError, OSError):
        return None
    mask, *_, status = _INFO.unpack(answer)
    return status if mask & _EXIT else None
