"""Locks on open files, which the system lets go with the process that holds them, whatever ended it."""

from __future__ import annotations

import importlib
from typing import IO, Any

# Where such locks keep others from reading, the byte that is locked lies far behind all that is written.
_FAR = 1 << 30


def take(file: IO[Any], *, wait: bool, shared: bool = False) -> bool:
    """Lock `file` until it is closed; False if somebody else holds it and `wait` is not asked for. Several may hold a
    shared lock (where the system has such)."""
    try:
        import fcntl
    except ImportError:
        return _take_byte(file, wait)
    kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    try:
        fcntl.flock(file, kind)
    except BlockingIOError:
        return False
    return True


def _take_byte(file: IO[Any], wait: bool) -> bool:
    """The same on Windows."""
    msvcrt = importlib.import_module("msvcrt")
    place = file.tell()
    file.seek(_FAR)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        file.seek(place)
    return True
