"""Volumes on the node's disk. Blocking: run in a thread."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from pilothouse.kubelet.volumes import atomic
from pilothouse.kubelet.volumes.model import Files, Host, Scratch, Shape, VolumeError

_DETACH = 2
_TYPE_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def make_all(folder: Path, wanted: Mapping[str, Shape], stamp: str, group: int | None) -> dict[str, str]:
    """Make or refresh every volume below `folder`; volume names to the paths that containers mount.
    Raises VolumeError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    found = {}
    for name, shape in wanted.items():
        try:
            found[name] = _make(folder / name, shape, stamp, group)
        except VolumeError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None
        except OSError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    return found


def _make(target: Path, shape: Shape, stamp: str, group: int | None) -> str:
    if isinstance(shape, Host):
        check_host_path(shape)
        return shape.path
    if isinstance(shape, Files):
        target.mkdir(exist_ok=True)
        os.chmod(target, 0o755 if group is None else 0o2755)
        if group is not None:
            os.chown(target, -1, group)
        atomic.write(target, shape.files, stamp, group)
        return str(target)
    _make_scratch(target, shape, group)
    return str(target)


def _make_scratch(target: Path, shape: Scratch, group: int | None) -> None:
    fresh = not target.exists()
    target.mkdir(exist_ok=True)
    if shape.memory and not os.path.ismount(target):
        options = f"size={shape.size}" if shape.size else ""
        _mount("tmpfs", str(target), "tmpfs", options)
        fresh = True
    if fresh:
        if group is not None:
            os.chown(target, -1, group)
        os.chmod(target, 0o777 if group is None else 0o2777)


def _mount(source: str, target: str, kind: str, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.mount(source.encode(), target.encode(), kind.encode(), 0, options.encode())
    if result:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def check_host_path(shape: Host) -> None:
    """Raises VolumeError if the path is not what its type says; creates it where the type says so."""
    if not shape.type:
        return
    path = Path(shape.path)
    if not path.exists() and shape.type == "DirectoryOrCreate":
        path.mkdir(parents=True, mode=0o755)
    elif not path.exists() and shape.type == "FileOrCreate":
        path.touch(mode=0o644)
    if shape.type not in _TYPE_CHECKS:
        raise VolumeError(f"{shape.type} is an invalid volume type")
    fits, what = _TYPE_CHECKS[shape.type]
    if not path.exists() or not fits(path.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {shape.path} is not {what}")


def sub_path(base: str, relative: str, *, create: bool) -> str:
    """The path of `relative` inside a volume, made if need be. Raises VolumeError if it leads outside."""
    top = Path(base).resolve()
    wanted = top / relative
    if ".." in Path(relative).parts or not wanted.resolve().is_relative_to(top):
        raise VolumeError(f"subpath {relative!r} leads outside its volume")
    if not wanted.exists() and create:
        wanted.mkdir(parents=True, mode=0o750)
        os.chmod(wanted, top.stat().st_mode & 0o7777)
    return str(wanted.resolve())


def remove(pod_folder: Path) -> None:
    """Unmount what is mounted below a pod's folder, then delete it; never deletes through a mount."""
    libc = ctypes.CDLL(None, use_errno=True)
    volumes = pod_folder / "volumes"
    for target in volumes.iterdir() if volumes.is_dir() else ():
        if os.path.ismount(target):
            libc.umount2(os.fsencode(target), _DETACH)
        if os.path.ismount(target):
            raise VolumeError(f"{target} is still mounted")
    shutil.rmtree(pod_folder, ignore_errors=True)


def size(folder: Path) -> int:
    """Bytes that the files below `folder` take on disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total
