"""What a volume comes to: three shapes that the disk part knows how to make. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class VolumeError(Exception):
    """The volume cannot be made now; the text is the event's."""


@dataclass(frozen=True, slots=True)
class File:
    """`owner` None: root."""

    data: bytes
    mode: int
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """A read-only tree of files that may change: relative path to file. With `memory` it lies on tmpfs, so that it
    never reaches the disk. `plugin` is upstream's name of the kind, the folder below the pod's `volumes`."""

    files: Mapping[str, File]
    memory: bool = False
    plugin: str = "configmap"


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty folder; in memory if `memory`, then of `size` bytes (0: as much as the pod or the node may have), or in
    huge pages of `page` bytes each (0: not)."""

    memory: bool
    size: int = 0
    plugin: str = "empty-dir"
    page: int = 0


@dataclass(frozen=True, slots=True)
class Host:
    """A path of the node, checked and created as its type says."""

    path: str
    type: str


Shape = Files | Scratch | Host
