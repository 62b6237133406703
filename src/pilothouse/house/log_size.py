"""Logs of processes stay bounded: what fails again and again must not fill the disk."""

from __future__ import annotations

import os
import pathlib
import shutil

MOST = 32 << 20
"""Bytes of a log, and of the one before it, which is kept as NAME.log.1."""


def bound(log: pathlib.Path, most: int = MOST) -> bool:
    """Begin a log anew that has more than `most` bytes; whether it had. Its writer appends to the same file, and
    need not know. What it writes between the copy and the cut is lost, as by logrotate's copytruncate; on a full disk
    nothing of the old log is kept. Raises OSError for a log that cannot be cut."""
    try:
        if log.stat().st_size <= most:
            return False
    except FileNotFoundError:
        return False
    before = log.with_name(f"{log.name}.1")
    try:
        shutil.copyfile(log, before)
    except OSError:
        before.unlink(missing_ok=True)
    os.truncate(log, 0)
    return True
