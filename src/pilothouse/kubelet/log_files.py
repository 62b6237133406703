"""Container logs on disk: rotation by size, removal, the links that log agents look for. Blocking: run in a thread.

    pods/NS_NAME_UID/CONTAINER/0.log                what the runtime writes
    pods/NS_NAME_UID/CONTAINER/0.log.20260101-12    the latest that was rotated away
    pods/NS_NAME_UID/CONTAINER/0.log.20260101-11.gz older ones
    containers/POD_NS_CONTAINER-ID.log              a link to the first

An agent's container may write here, or somebody who got into it: only the folder that `pods` and `containers` lie in is
trusted.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilothouse.kubelet.safepath import files, trees

LARGEST = 10 << 20
MOST_FILES = 5
# Names of files have 255 bytes at most.
LONGEST_LINK = 251
_DEPTH = 3


@contextmanager
def _folder(log: Path) -> Iterator[int]:
    """The folder of a container's logs, below the folder that is trusted. Raises OSError."""
    top = log.parents[min(_DEPTH, len(log.parents) - 1)]
    with files.folder(top, str(log.parent.relative_to(top))) as found:
        yield found


def prepare(log: Path) -> None:
    """Make the folder of a log that the runtime is about to write, and take away what it would be led astray by: the
    runtime, which is root, follows links in a path and makes the file that they lead to. Raises OSError."""
    depth = min(_DEPTH, len(log.parents) - 1)
    top, parts = log.parents[depth], [parent.name for parent in reversed(log.parents[:depth])]
    for count, part in enumerate(parts):
        with files.folder(top, "/".join(parts[:count]), make=0o755) as parent:
            _only(parent, part, stat.S_ISDIR)
    with files.folder(top, "/".join(parts), make=0o755) as folder:
        _only(folder, log.name, stat.S_ISREG)


def _only(parent: int, name: str, kind: Callable[[int], bool]) -> None:
    """Take an entry away unless it is of that kind."""
    with suppress(FileNotFoundError):
        if not kind(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            trees.remove(parent, name)


def opened(log: Path) -> io.BufferedReader:
    """A log, open for reading. Raises OSError, also for what is no plain file or has a link in its way."""
    if sys.platform != "linux":  # a simulated node's, which nobody else writes to
        return log.open("rb")
    with _folder(log) as folder:
        return os.fdopen(files.open_regular(folder, log.name), "rb")


def _rotated(folder: int, name: str) -> list[str]:
    """What was rotated away from a log, the oldest first."""
    return sorted(other for other in os.listdir(folder) if other.startswith(f"{name}."))


def due(log: Path) -> bool:
    """Whether a log has grown too large."""
    try:
        with opened(log) as file:
            return os.fstat(file.fileno()).st_size > LARGEST
    except OSError:
        return False


def rotate(log: Path, stamp: str) -> None:
    """Rename a log away and thin out older ones; the runtime is to reopen it next. Raises OSError."""
    with _folder(log) as folder:
        older = _rotated(folder, log.name)
        for old in older[: max(len(older) - (MOST_FILES - 2), 0)]:
            trees.remove(folder, old)
        for old in _rotated(folder, log.name):
            if not old.endswith(".gz"):
                _compress(folder, old)
        os.rename(log.name, f"{log.name}.{stamp}", src_dir_fd=folder, dst_dir_fd=folder)


def _compress(folder: int, name: str) -> None:
    draft = f"{name}.tmp"
    trees.remove(folder, draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with (
        os.fdopen(files.open_regular(folder, name), "rb") as source,
        os.fdopen(os.open(draft, flags, 0o640, dir_fd=folder), "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw) as sink,
    ):
        shutil.copyfileobj(source, sink)
    os.rename(draft, f"{name}.gz", src_dir_fd=folder, dst_dir_fd=folder)
    trees.remove(folder, name)


def remove(log: Path) -> None:
    """A log with all that was rotated away from it."""
    with suppress(OSError), _folder(log) as folder:
        for name in (log.name, *_rotated(folder, log.name)):
            trees.remove(folder, name)


def remove_folder(logs: Path) -> None:
    """All logs of a pod. Raises OSError."""
    with suppress(FileNotFoundError), files.folder(logs.parent.parent, logs.parent.name) as pods:
        trees.remove(pods, logs.name)


def link(links: Path, name: str, log: Path) -> None:
    """Show `log` as `name`.log in the folder `links`. Raises OSError."""
    name = name[:LONGEST_LINK] + ".log"
    with files.folder(links.parent, make=0o755) as parent:
        _only(parent, links.name, stat.S_ISDIR)
    with files.folder(links.parent, links.name, make=0o755) as folder:
        trees.remove(folder, name)
        os.symlink(str(log), name, dir_fd=folder)


def unlink(links: Path, logs: str) -> None:
    """Take away the links to `logs`: one log, or all in a folder."""
    with suppress(OSError), files.folder(links.parent, links.name) as folder:
        for name in os.listdir(folder):
            with suppress(OSError):
                target = os.readlink(name, dir_fd=folder)
                if target == logs or target.startswith(f"{logs}/"):
                    os.unlink(name, dir_fd=folder)


def sweep(links: Path) -> None:
    """Take away the links to logs that are no more."""
    with suppress(OSError), files.folder(links.parent, links.name) as folder:
        for name in os.listdir(folder):
            with suppress(OSError):
                if not os.path.lexists(os.readlink(name, dir_fd=folder)):
                    os.unlink(name, dir_fd=folder)
