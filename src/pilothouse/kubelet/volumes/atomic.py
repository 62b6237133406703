"""Files that change all at once: a folder a version, and a link that is turned over. Blocking.

..2026_11_24_12_00_00.0123/key      the version
..data -> ..2026_11_24_12_00_00.0123
key -> ..data/key                   what a container opens
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from pilothouse.kubelet.volumes.model import File, VolumeError

DATA = "..data"
_DRAFT = "..data_tmp"


def write(folder: Path, files: Mapping[str, File], stamp: str, group: int | None) -> bool:
    """Bring `folder` to `files`; False if it was so already. `stamp` names the version, `group` is the fsGroup."""
    for path in files:
        if path.startswith("/") or ".." in Path(path).parts or not path:
            raise VolumeError(f"invalid path {path!r}")
    current = folder / DATA
    if current.exists() and _same(current, files):
        return False
    version = folder / f"..{stamp}"
    version.mkdir(mode=0o755)
    os.chmod(version, 0o755)
    for path, file in files.items():
        _write_file(version / path, version, file, group)
    old = os.readlink(current) if current.is_symlink() else None
    draft = folder / _DRAFT
    draft.unlink(missing_ok=True)
    draft.symlink_to(version.name)
    draft.rename(current)
    _links(folder, {Path(path).parts[0] for path in files})
    if old is not None:
        shutil.rmtree(folder / old, ignore_errors=True)
    return True


def _write_file(target: Path, top: Path, file: File, group: int | None) -> None:
    for folder in reversed(target.relative_to(top).parents):
        if folder != Path():
            (top / folder).mkdir(exist_ok=True, mode=0o755)
    target.write_bytes(file.data)
    mode = file.mode if group is None else file.mode | 0o440
    if group is not None or file.owner is not None:
        os.chown(target, -1 if file.owner is None else file.owner, -1 if group is None else group)
    os.chmod(target, mode)


def _same(current: Path, files: Mapping[str, File]) -> bool:
    top = current.resolve()
    held = {str(p.relative_to(top)) for p in top.rglob("*") if not p.is_dir()}
    return held == {str(Path(f)) for f in files} and all(
        (top / path).read_bytes() == file.data for path, file in files.items()
    )


def _links(folder: Path, wanted: set[str]) -> None:
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
