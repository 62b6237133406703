"""How a process ended, in words; also of one that another process started, where the kernel tells."""

from __future__ import annotations

import os
import signal
import struct
import subprocess

# ioctl PIDFD_GET_INFO of Linux (the exit since 6.15): a mask of what is asked for and what was given, and much else.
_INFO = struct.Struct("=QQ11Ii")
_GET_INFO = 3 << 30 | _INFO.size << 16 | 0xFF << 8 | 11
_EXIT = 1 << 3
UNKNOWN = "it is not known how"


def in_words(status: int) -> str:
    """A wait status (as `os.wait` has it): `exit code 1`, `signal 9 (SIGKILL)`."""
    code = os.waitstatus_to_exitcode(status)
    return of_code(code)


def of_code(code: int) -> str:
    """An exit code, a signal's number negative."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def of_child(process: subprocess.Popen[bytes], seconds: float) -> str:
    """How a child ended, which lets go of it; it is given some seconds to be gone altogether."""
    try:
        return of_code(process.wait(seconds))
    except subprocess.TimeoutExpired:
        return UNKNOWN


def of_stranger(descriptor: int) -> str:
    """How the process behind a pidfd ended: known once its parent has taken note of that, which may take a while."""
    status = _status(descriptor) if descriptor >= 0 else None
    return UNKNOWN if status is None else in_words(status)


def _status(descriptor: int) -> int | None:
    try:
        import fcntl

        answer = fcntl.ioctl(descriptor, _GET_INFO, _INFO.pack(_EXIT, *[0] * 13))
    except (ImportError, OSError):
        return None
    mask, *_, status = _INFO.unpack(answer)
    return status if mask & _EXIT else None
