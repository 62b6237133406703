"""Container logs on disk: rotation by size, removal. Blocking: run in a thread.

0.log                       what the runtime writes
0.log.20260101-120000       the latest that was rotated away
0.log.20260101-110000.gz    older ones
"""

from __future__ import annotations

import contextlib
import gzip
import shutil
from pathlib import Path

LARGEST = 10 << 20
MOST_FILES = 5


def rotated(path: Path) -> list[Path]:
    """What was rotated away from a log, the oldest first."""
    return sorted(path.parent.glob(path.name + ".*")) if path.parent.is_dir() else []


def due(path: Path) -> bool:
    """Whether a log has grown too large."""
    try:
        return path.stat().st_size > LARGEST
    except OSError:
        return False


def rotate(path: Path, stamp: str) -> None:
    """Rename a log away and thin out older ones; the runtime is to reopen it next. Raises OSError."""
    older = rotated(path)
    for old in older[: max(len(older) - (MOST_FILES - 2), 0)]:
        old.unlink()
    for old in rotated(path):
        if old.suffix != ".gz":
            _compress(old)
    path.rename(path.with_name(f"{path.name}.{stamp}"))


def _compress(path: Path) -> None:
    target = path.with_name(path.name + ".gz")
    draft = path.with_name(path.name + ".tmp")
    with path.open("rb") as source, gzip.open(draft, "wb") as sink:
        shutil.copyfileobj(source, sink)
    draft.rename(target)
    path.unlink()


def remove(path: Path) -> None:
    """A log with all that was rotated away from it."""
    for file in (path, *rotated(path)):
        with contextlib.suppress(OSError):
            file.unlink()
