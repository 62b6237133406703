"""Small files and folders by descriptor: made, read and written without following a link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilothouse.kubelet.safepath.descriptors import (
    O_CLOEXEC,
    O_DIRECTORY,
    O_NOCTTY,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    closing,
    open_below,
)

# A pipe that somebody has put in a file's place must not hold up who opens it.
_READ = os.O_RDONLY | O_NONBLOCK | O_NOCTTY


@contextmanager
def folder(path: Path | str, below: str = "", *, make: int | None = None) -> Iterator[int]:
    """A descriptor of the folder `below` under the trusted folder `path`, as long as the block lasts; with `make`, it
    and those above it are made with that mode. Raises OSError."""
    if make is not None:
        os.makedirs(path, exist_ok=True)
    with closing(os.open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) as top:
        if make is not None:
            _make(top, below, make)
        with closing(open_below(top, below, os.O_RDONLY | O_DIRECTORY)) as found:
            yield found


def _make(top: int, below: str, mode: int) -> None:
    parts = [part for part in below.split("/") if part]
    for count in range(1, len(parts) + 1):
        with closing(open_below(top, "/".join(parts[: count - 1]))) as parent, suppress(FileExistsError):
            os.mkdir(parts[count - 1], mode, dir_fd=parent)


def open_regular(parent: int, path: str) -> int:
    """A descriptor of a file to read. Raises OSError, also if it is no plain file or a link leads to it."""
    found = open_below(parent, path, _READ)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.EINVAL, "is no regular file", path)
    return found


def read(parent: int, path: str, limit: int) -> bytes:
    """The first `limit` bytes of a file. Raises OSError."""
    with os.fdopen(open_regular(parent, path), "rb") as file:
        return file.read(limit)


def write(parent: int, name: str, data: bytes, mode: int) -> None:
    """A file with this content and mode, the present one (its inode) if it is there and a plain file; whatever else
    has the name goes. Raises OSError."""
    flags = os.O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
    try:
        found = os.open(name, flags, dir_fd=parent)
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            raise OSError(errno.EINVAL, "is no regular file", name)
    except OSError as error:
        if error.errno not in (errno.ENOENT,):
            os.unlink(name, dir_fd=parent)
        found = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)
    with os.fdopen(found, "wb") as file:
        os.ftruncate(found, 0)
        file.write(data)
        os.fchmod(found, mode)
