"""Files that change all at once: a folder a version, and a link that is turned over. Blocking.

..2026_11_24_12_00_00.0123/key      the version
..data -> ..2026_11_24_12_00_00.0123
key -> ..data/key                   what a container opens

A privileged container may have put anything in here: links are read and never followed, and whatever does not look as
if it was made here is made anew. So is what was left half-way when the node's process was killed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pilothouse.kubelet.safepath import descriptors, files, trees
from pilothouse.kubelet.volumes.model import File, VolumeError

DATA = "..data"
_DRAFT = "..data_tmp"


def write(folder: Path, wanted: Mapping[str, File], stamp: str, group: int | None) -> bool:
    """Bring `folder` to the files `wanted`; False if it was so already. `stamp` names the version, `group` is the
    fsGroup."""
    for path in wanted:
        if path.startswith("/") or ".." in path.split("/") or not path:
            raise VolumeError(f"invalid path {path!r}")
    with files.folder(folder) as top:
        current = _version(top)
        if current and _same(top, current, wanted):
            _settle(top, current, wanted)
            return False
        version = f"..{stamp}"
        os.mkdir(version, 0o755, dir_fd=top)
        with descriptors.closing(trees.open_folder(top, version)) as made:
            os.fchmod(made, 0o755)
            for path, file in wanted.items():
                _write_file(made, path, file, group)
        trees.remove(top, _DRAFT)
        os.symlink(version, _DRAFT, dir_fd=top)
        _make_way(top, DATA)
        os.rename(_DRAFT, DATA, src_dir_fd=top, dst_dir_fd=top)
        _settle(top, version, wanted)
    return True


def _settle(top: int, version: str, wanted: Mapping[str, File]) -> None:
    """Show the names of the version, and take away what is left of others."""
    _links(top, {path.split("/")[0] for path in wanted})
    for name in os.listdir(top):
        if name.startswith("..") and name not in (DATA, version):
            trees.remove(top, name)


def _version(top: int) -> str:
    """The version that is shown now; "" if there is none, or the link is not one of ours."""
    try:
        name = os.readlink(DATA, dir_fd=top)
    except OSError:
        return ""
    return name if name.startswith("..") and "/" not in name and name not in ("..", DATA, _DRAFT) else ""


def _make_way(top: int, name: str) -> None:
    """A folder is not replaced by a rename."""
    with suppress(FileNotFoundError):
        if not stat.S_ISLNK(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            trees.remove(top, name)


def _write_file(top: int, path: str, file: File, group: int | None) -> None:
    *folders, name = [part for part in path.split("/") if part not in ("", ".")]
    parent = os.dup(top)
    try:
        for part in folders:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=parent)
            inner = trees.open_folder(parent, part)
            os.close(parent)
            parent = inner
        files.write(parent, name, file.data, 0o600)
        with descriptors.closing(files.open_regular(parent, name)) as made:
            if group is not None or file.owner is not None:
                os.fchown(made, -1 if file.owner is None else file.owner, -1 if group is None else group)
            os.fchmod(made, file.mode if group is None else file.mode | 0o440)
    finally:
        os.close(parent)


def _same(top: int, version: str, wanted: Mapping[str, File]) -> bool:
    """Whether a version has just these files with this content."""
    try:
        with descriptors.closing(trees.open_folder(top, version)) as current:
            present = {"/".join(e.path) for e in trees.entries(current) if not stat.S_ISDIR(e.status.st_mode)}
            return present == {str(Path(path)) for path in wanted} and all(
                files.read(current, path, len(file.data) + 1) == file.data for path, file in wanted.items()
            )
    except OSError:
        return False


def _links(top: int, wanted: set[str]) -> None:
    for name in os.listdir(top):
        if name.startswith(".."):
            continue
        if stat.S_ISLNK(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            if name in wanted and os.readlink(name, dir_fd=top) == f"{DATA}/{name}":
                continue
            os.unlink(name, dir_fd=top)
    for name in wanted:
        # A folder that a sub path asked for before there was such a key stays, as upstream leaves it.
        with suppress(FileExistsError):
            os.symlink(f"{DATA}/{name}", name, dir_fd=top)
