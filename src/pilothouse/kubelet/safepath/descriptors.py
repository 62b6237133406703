"""Opening what a relative path names, from the descriptor of a folder, safe against links and races.

The behaviour is that of upstream's `pkg/volume/util/subpath`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Simulated nodes run where these are not known, and open nothing of a container's.
O_PATH, O_NOFOLLOW = getattr(os, "O_PATH", 0), getattr(os, "O_NOFOLLOW", 0)
O_DIRECTORY, O_CLOEXEC = getattr(os, "O_DIRECTORY", 0), getattr(os, "O_CLOEXEC", 0)
O_NONBLOCK, O_NOCTTY = getattr(os, "O_NONBLOCK", 0), getattr(os, "O_NOCTTY", 0)
RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x01, 0x02, 0x04, 0x08
# A path that leads through the parents of a folder (RESOLVE_BENEATH) is to be tried again when something is renamed.
TRIES = 64
_OPENAT2 = 437  # on every architecture


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library, with errno kept."""
    return ctypes.CDLL(None, use_errno=True)


class LeadsOutside(OSError):
    """A path that leaves the folder it was to stay in."""


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class NoOpenat2(Exception):
    """The kernel (before 5.6), or a filter of system calls, does not know openat2."""


def openat2(folder: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """The system call. Raises OSError, NoOpenat2."""
    if sys.platform != "linux":
        raise NoOpenat2
    how = _How(flags | O_CLOEXEC, mode, resolve)
    for _ in range(TRIES):
        found = libc().syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        error = ctypes.get_errno()
        if error in (errno.ENOSYS, errno.EPERM):
            raise NoOpenat2
        if error != errno.EAGAIN:
            break
    raise OSError(error, os.strerror(error), path)


def parts_of(path: str) -> list[str]:
    """The parts of a relative path. Raises LeadsOutside for an absolute one and for `..`."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise LeadsOutside(errno.EXDEV, "leads outside its folder", path)
    return parts


def open_below(folder: int, path: str, flags: int = O_PATH, mode: int = 0) -> int:
    """A descriptor of what `path` names below `folder`; no part of it may be a link. Raises OSError (ELOOP for a
    link)."""
    parts = parts_of(path)
    try:
        return openat2(folder, "/".join(parts) or ".", flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, mode)
    except NoOpenat2:
        return _open_by_parts(folder, parts, flags, mode)


def _open_by_parts(folder: int, parts: list[str], flags: int, mode: int) -> int:
    if not parts:
        return os.open(".", flags | O_CLOEXEC, dir_fd=folder)
    current = os.open(".", O_PATH | O_CLOEXEC, dir_fd=folder)
    try:
        for part in parts[:-1]:
            inner = os.open(part, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = inner
        found = os.open(parts[-1], flags | O_NOFOLLOW | O_CLOEXEC, mode, dir_fd=current)
    finally:
        os.close(current)
    if flags & O_PATH and stat.S_ISLNK(os.fstat(found).st_mode):
        os.close(found)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), "/".join(parts))
    return found


def canonical(path: str) -> str:
    """The path that the kernel comes to, all links followed. Advice only: it may be another a moment later."""
    found = os.open(path, O_PATH | O_CLOEXEC)
    try:
        return os.readlink(f"/proc/self/fd/{found}")
    finally:
        os.close(found)


def by_text(path: str) -> str:
    """The path that the links in `path` lead to by what is written in them, whether it exists or not. The kernel's own
    links (`/proc/1/root`) lead elsewhere than they say; they may be seen differently by different namespaces. Advice
    only, too."""
    return os.path.realpath(path)


def open_inside(base: str, path: str) -> int:
    """An O_PATH descriptor of what `path` names in the tree at `base`. Links are followed as long as they stay in the
    tree; `base` itself is trusted. Raises OSError, LeadsOutside."""
    parts = parts_of(path)
    folder = os.open(base, O_PATH | O_CLOEXEC)
    try:
        try:
            return openat2(folder, "/".join(parts) or ".", O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        except NoOpenat2:
            pass
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        # An absolute link may well come back into the tree, as on a host path that its owner has laid out so. The way
        # is found by name, and then gone without links.
        top, way = canonical(base), canonical("/".join((base, *parts)))
        if way != top and not way.startswith(top.rstrip("/") + "/"):
            raise LeadsOutside(errno.EXDEV, f'subpath "{way}" not within volume path "{top}"')
        return open_below(folder, way[len(top) :].lstrip("/"))
    finally:
        os.close(folder)


def make_inside(base: str, path: str, mode: int) -> None:
    """Make the folder `path` with those above it in the tree at `base`, unless it is there; it gets `mode` as it is,
    setuid, setgid and sticky bits included. Raises OSError, LeadsOutside."""
    parts = parts_of(path)
    parent, missing = _existing(base, parts)
    try:
        for number, part in enumerate(missing, 1):
            with suppress(FileExistsError):
                os.mkdir(part, mode & 0o777, dir_fd=parent)
            inner = open_below(parent, part, os.O_RDONLY | O_DIRECTORY)
            os.close(parent)
            parent = inner
            if number == len(missing):
                os.fchmod(parent, mode)
    finally:
        os.close(parent)


def _existing(base: str, parts: list[str]) -> tuple[int, list[str]]:
    """A descriptor of the longest beginning of the path that is there, and what is missing."""
    for count in range(len(parts), 0, -1):
        with suppress(FileNotFoundError):
            return open_inside(base, "/".join(parts[:count])), parts[count:]
    return open_inside(base, ""), parts


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    """The descriptor, as long as the block lasts."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)
