"""Volumes on the node's disk and in its memory. Blocking: run in a thread.

POD/volumes/kubernetes.io~secret/NAME       where upstream has them, and agents look for them
POD/volume-subpaths/VOLUME/CONTAINER/INDEX  parts of volumes that containers mount (`sub_paths`)
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pilothouse.kubelet.safepath import descriptors, mounts, trees
from pilothouse.kubelet.safepath import files as paths
from pilothouse.kubelet.volumes import atomic
from pilothouse.kubelet.volumes.model import Files, Host, Scratch, Shape, VolumeError

log = logging.getLogger(__name__)
_TYPE_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def make_all(
    folder: Path, wanted: Mapping[str, Shape], stamp: str, group: int | None, memory: int = 0
) -> dict[str, str]:
    """Make or refresh every volume below `folder`; volume names to the paths that containers mount. `memory` is what
    those in memory may take, in bytes (0: half the machine's). Raises VolumeError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    made = {}
    for name, shape in wanted.items():
        try:
            made[name] = _make(folder, name, shape, stamp, group, memory)
        except VolumeError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from None
        except OSError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
    return made


def _make(folder: Path, name: str, shape: Shape, stamp: str, group: int | None, memory: int) -> str:
    if isinstance(shape, Host):
        real = real_host_path(shape)
        check_host_path(real)
        return real.path
    parent = folder / f"kubernetes.io~{shape.plugin}"
    parent.mkdir(exist_ok=True, mode=0o750)
    target = parent / name
    _make_folder(parent, name, group)
    if shape.memory and not mounts.is_mount_point(str(target)):
        size = min(filter(None, (shape.size if isinstance(shape, Scratch) else 0, memory)), default=0)
        _mount_memory(str(target), size, group)
    if isinstance(shape, Scratch) and shape.page and not mounts.is_mount_point(str(target)):
        _mount_huge_pages(str(target), shape.page, group)
    if isinstance(shape, Files):
        atomic.write(target, shape.files, stamp, group)
    return str(target)


def _make_folder(parent: Path, name: str, group: int | None) -> None:
    """An empty folder for everybody, there with its mode and group or not at all."""
    if os.path.lexists(parent / name):
        return
    draft = f"..{name}"
    with paths.folder(parent) as top:
        trees.remove(top, draft)
        os.mkdir(draft, 0o700, dir_fd=top)
        with paths.folder(parent, draft) as made:
            if group is not None:
                os.fchown(made, -1, group)
            os.fchmod(made, 0o777 if group is None else 0o2777)
        os.rename(draft, name, src_dir_fd=top, dst_dir_fd=top)


def _mount_memory(target: str, size: int, group: int | None) -> None:
    """tmpfs, kept out of swap where the kernel can (6.4): a secret must not come to the disk by that way."""
    options = ["mode=1777"] if group is None else ["mode=3777", f"gid={group}"]
    if size:
        options.append(f"size={size}")
    try:
        mounts.mount("tmpfs", target, "tmpfs", options=",".join((*options, "noswap")))
    except OSError:
        mounts.mount("tmpfs", target, "tmpfs", options=",".join(options))


def _mount_huge_pages(target: str, page: int, group: int | None) -> None:
    options = [f"pagesize={page}", *(["mode=0777"] if group is None else ["mode=2777", f"gid={group}"])]
    mounts.mount("nodev", target, "hugetlbfs", options=",".join(options))


def real_host_path(shape: Host) -> Host:
    """The same with the path that its links lead to by what is written in them. The kernel's own links (`/proc/1/root`)
    would lead out of the node's view of the machine, to what is hidden there."""
    return replace(shape, path=descriptors.by_text(shape.path))


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


def remove(pod_folder: Path) -> None:
    """Unmount what is mounted below a pod's folder, then delete it; never deletes through a mount. Raises
    VolumeError if something is still mounted."""
    try:
        mounts.unmount_below(str(pod_folder))
    except OSError as error:
        raise VolumeError(f"{error.filename or pod_folder} is still mounted: {error.strerror}") from None
    try:
        trees.remove_path(str(pod_folder))
    except OSError as error:
        log.warning("of %s something stays: %s", pod_folder, error)
