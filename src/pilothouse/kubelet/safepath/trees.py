"""Whole trees that somebody else may be changing: listed, measured and removed by descriptor, however deep they are."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.kubelet.safepath.descriptors import (
    O_CLOEXEC,
    O_DIRECTORY,
    O_NOFOLLOW,
    O_PATH,
    RESOLVE_BENEATH,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    NoOpenat2,
    closing,
    openat2,
)
from pilothouse.kubelet.safepath.mounts import mount_id

# Folders that are held open on the way down. Deeper ones are come back to by `..`, and left out if they have moved.
HELD_OPEN = 100
_FOLDER = os.O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC


class Entry(NamedTuple):
    """Something in a tree: its names from the top down, and what lstat says of it."""

    path: tuple[str, ...]
    status: os.stat_result


@dataclass(slots=True)
class _Level:
    name: str
    descriptor: int | None
    identity: tuple[int, int]
    folders: list[str] = field(default_factory=list)


def open_folder(parent: int, name: str) -> int:
    """A folder in `parent`, if it is one, no link, and on the same mount. Raises OSError."""
    try:
        return openat2(parent, name, _FOLDER, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)
    except NoOpenat2:
        found = os.open(name, _FOLDER, dir_fd=parent)
    if mount_id(found) != mount_id(parent):
        os.close(found)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
    return found


def entries(top: int) -> Iterator[Entry]:
    """Everything below the folder `top` but what is mounted there; links are told of and not followed."""
    levels = [_level("", os.open(".", _FOLDER, dir_fd=top))]
    try:
        yield from _inside(levels)
        while levels:
            current = levels[-1]
            if current.descriptor is None or not current.folders:
                _go_up(levels)
                continue
            name = current.folders.pop()
            try:
                levels.append(_level(name, open_folder(current.descriptor, name)))
            except OSError:
                continue  # it is gone, or something else by now
            yield from _inside(levels)
            if len(levels) > HELD_OPEN:
                os.close(current.descriptor)
                current.descriptor = None
    finally:
        for level in levels:
            if level.descriptor is not None:
                os.close(level.descriptor)


def _level(name: str, descriptor: int) -> _Level:
    status = os.fstat(descriptor)
    return _Level(name, descriptor, (status.st_dev, status.st_ino))


def _inside(levels: list[_Level]) -> Iterator[Entry]:
    """What lies directly in the deepest level."""
    level = levels[-1]
    assert level.descriptor is not None
    above = tuple(each.name for each in levels[1:])
    with os.scandir(level.descriptor) as found:
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                level.folders.append(entry.name)
            yield Entry((*above, entry.name), status)


def _go_up(levels: list[_Level]) -> None:
    """Leave the deepest level, and open the one above again if it is not held open."""
    left = levels.pop()
    if not levels or left.descriptor is None:
        return
    above = levels[-1]
    if above.descriptor is None:
        with suppress(OSError):
            found = _level(above.name, os.open("..", _FOLDER, dir_fd=left.descriptor))
            if found.identity == above.identity:
                above.descriptor = found.descriptor
            elif found.descriptor is not None:
                os.close(found.descriptor)
    os.close(left.descriptor)


def size(folder: str) -> int:
    """Bytes that what lies below `folder` takes on disk, several names of one file counted once; 0 if it is not
    there."""
    total, linked = 0, set()
    try:
        top = os.open(folder, _FOLDER)
    except OSError:
        return 0
    with closing(top):
        for _, status in entries(top):
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                if (status.st_dev, status.st_ino) in linked:
                    continue
                linked.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def remove(parent: int, name: str) -> None:
    """Delete `name` in the folder `parent` with all below it; nothing if it is not there. A link is deleted, not
    followed; what is mounted somewhere below is never deleted through. Raises OSError if something stays."""
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=parent)
            return
        with closing(open_folder(parent, name)) as top:
            _empty(top)
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return


def remove_path(path: str) -> None:
    """`remove` for a path whose parent only the node writes to."""
    with suppress(FileNotFoundError), closing(os.open(os.path.dirname(path), O_PATH | O_CLOEXEC)) as parent:
        remove(parent, os.path.basename(path))


def _empty(top: int) -> None:
    """Delete everything in a folder. Folders in folders are moved up into it first, so that depth costs nothing."""
    number, failure = 0, None
    while True:
        gone = 0
        for name in os.listdir(top):
            try:
                number = _remove_one(top, name, number)
                gone += 1
            except FileNotFoundError:
                gone += 1
            except OSError as error:
                failure = error
        if not gone:
            break
    if failure is not None and os.listdir(top):
        raise failure


def _remove_one(top: int, name: str, number: int) -> int:
    """Delete one entry of `top`, moving the folders in it up; returns the number for the next that is moved."""
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return number
    with closing(open_folder(top, name)) as folder:
        for inner in os.listdir(folder):
            if not stat.S_ISDIR(os.stat(inner, dir_fd=folder, follow_symlinks=False).st_mode):
                os.unlink(inner, dir_fd=folder)
                continue
            try:
                os.rmdir(inner, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    raise
                number = _move_up(folder, inner, top, number)
    os.rmdir(name, dir_fd=top)
    return number


def _move_up(folder: int, inner: str, top: int, number: int) -> int:
    while True:
        number += 1
        try:
            os.rename(inner, f".removing-{number}", src_dir_fd=folder, dst_dir_fd=top)
            return number
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
