"""Mounts: made by descriptor, told apart by the kernel's mount ids (a bind mount has the device of its source)."""

from __future__ import annotations

import ctypes
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from pilothouse.kubelet.safepath.descriptors import O_CLOEXEC, O_NOFOLLOW, O_PATH, closing, libc

MS_BIND = 0x1000
MNT_DETACH, UMOUNT_NOFOLLOW = 0x2, 0x8
_OCTAL = re.compile(rb"\\([0-7]{3})")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2). Raises OSError."""
    if libc().mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, options.encode()):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def unmount(target: str) -> None:
    """Take what is mounted on `target` away, also while somebody still uses it. Raises OSError."""
    if libc().umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def mount_id(descriptor: int) -> int:
    """Which mount an open file lies on."""
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines():
        if line.startswith("mnt_id:"):
            return int(line.split()[1])
    raise OSError(f"the kernel tells no mount of descriptor {descriptor}")


def is_mount_point(path: str) -> bool:
    """Whether something is mounted on `path` itself (a link is not followed); False if it is not there."""
    flags = O_PATH | O_NOFOLLOW | O_CLOEXEC
    try:
        with closing(os.open(path, flags)) as own, closing(os.open(os.path.dirname(path), flags)) as parent:
            return mount_id(own) != mount_id(parent)
    except FileNotFoundError:
        return False


def mounts_below(folder: str) -> list[str]:
    """Every mount point at or below `folder`, the latest first."""
    prefix, found = os.fsencode(folder), []
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        point = _OCTAL.sub(lambda match: bytes([int(match.group(1), 8)]), line.split(b" ")[4])
        if point == prefix or point.startswith(prefix + b"/"):
            found.append(os.fsdecode(point))
    return found[::-1]


def unmount_below(folder: str) -> None:
    """Take away every mount at or below `folder`. Raises OSError if one stays."""
    for point in mounts_below(folder):
        unmount(point)


def bind(source: int, target: str) -> None:
    """Show what the descriptor `source` stands for at `target`, which is made as a folder or file beside it and lies
    where nobody but the node writes. What was shown there before goes, unless it is the same. Raises OSError."""
    wanted = os.fstat(source)
    while is_mount_point(target):
        now = os.lstat(target)
        if (now.st_dev, now.st_ino) == (wanted.st_dev, wanted.st_ino):
            return
        unmount(target)
    _prepare(target, folder=stat.S_ISDIR(wanted.st_mode))
    mount(f"/proc/self/fd/{source}", target, flags=MS_BIND)


def _prepare(target: str, *, folder: bool) -> None:
    """An empty folder or file to mount on; any file does for what is no folder."""
    os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
    with suppress(FileNotFoundError):
        present = os.lstat(target)
        if stat.S_ISDIR(present.st_mode) == folder:
            return
        (os.rmdir if stat.S_ISDIR(present.st_mode) else os.unlink)(target)
    if folder:
        os.mkdir(target, 0o750)
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o640))
