"""What `image load` was given, kept for the nodes of a real cluster that come later, or were away.

An archive is kept as a file, since containerd reads nothing else, and only while it matters: equal content once, and no
archive all of whose images newer ones replaced. A list says in which order they came. Each node has a list of its own
of those that it was given, so that an image that somebody, or the kubelet, removed there stays removed.
"""

from __future__ import annotations

import hashlib
import logging
import pathlib
import shutil
from collections.abc import Iterable, Sequence

import msgspec

from pilothouse.house.paths import Paths
from pilothouse.house.spec import NodeSpec, write_atomically
from pilothouse.seams.house import HouseError
from pilothouse.seams.runtime import ImageRuntime, RuntimeFailure

log = logging.getLogger(__name__)
BYTES_A_SECOND = 10_000_000
"""What a slow disk takes in: how long a node may take for its archives when it starts."""
_DRAFT, _LIST = ".draft", "list.json"
_PIECE = 1 << 20


class Archive(msgspec.Struct, frozen=True):
    """One archive: `file` is its own name, which a bare tag in it gets as the image's name; `images` are the names that
    it carries."""

    digest: str
    file: str
    images: tuple[str, ...]
    size: int = 0


def with_newest(kept: Sequence[Archive], newest: Archive) -> list[Archive]:
    """`kept`, in the order in which they came, and `newest`, without those that it leaves nothing of."""
    names: set[str] = set()
    left: list[Archive] = []
    for archive in (newest, *reversed(kept)):
        if archive is newest or not archive.images or not names.issuperset(archive.images):
            left.append(archive)
            names.update(archive.images)
    return left[::-1]


def _file(paths: Paths, archive: Archive) -> pathlib.Path:
    return paths.images / archive.digest / archive.file


def _node_list(paths: Paths, node: NodeSpec) -> pathlib.Path:
    return paths.node_state(node.name) / "images.json"


def kept(paths: Paths) -> list[Archive]:
    """The archives that the cluster keeps, the oldest first. Raises HouseError if the list of them is damaged."""
    file = paths.images / _LIST
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[Archive])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        advice = f"remove {paths.images}, then load the images once more with `pilothouse image load`"
        raise HouseError(f"{file} cannot be read: {error}", advice) from None


def missing(paths: Paths, node: NodeSpec) -> list[Archive]:
    """Those that `node` was not given yet. Raises HouseError."""
    try:
        given = set(msgspec.json.decode(_node_list(paths, node).read_bytes(), type=list[str]))
    except (FileNotFoundError, msgspec.MsgspecError):
        given = set()  # to be given one twice harms nobody
    return [archive for archive in kept(paths) if archive.digest not in given]


def seconds_for(paths: Paths, node: NodeSpec) -> float:
    """How much longer `node` may take to start for what it has to be given. Raises HouseError."""
    return sum(archive.size for archive in missing(paths, node)) / BYTES_A_SECOND


def _write_given(paths: Paths, node: NodeSpec, archives: Iterable[Archive]) -> None:
    write_atomically(_node_list(paths, node), msgspec.json.encode([archive.digest for archive in archives]))


async def give(paths: Paths, node: NodeSpec, runtime: ImageRuntime) -> None:
    """Import on `node` what it was not given yet, in the order in which it came; what came after it once more, since a
    name means the image that came last. One that cannot be imported keeps no node from starting: it is logged, and
    tried again at the next start."""
    lacking = missing(paths, node)
    if not lacking:
        return
    archives = kept(paths)
    failed = set()
    for archive in archives[archives.index(lacking[0]) :]:
        try:
            await runtime.load_archive(str(_file(paths, archive)))
        except RuntimeFailure as error:
            log.error("%s was not imported: %s", archive.file, error)
            failed.add(archive.digest)
        else:
            log.info("%s was imported, which `image load` was given", archive.file)
    _write_given(paths, node, (archive for archive in kept(paths) if archive.digest not in failed))


class Keeping:
    """Keeps one archive: first a copy, which may not fit on the disk, then, once its images are known to be good,
    for all nodes to come. Used while the cluster is claimed."""

    def __init__(self, paths: Paths, archive: pathlib.Path, images: Sequence[str], base: str) -> None:
        """`images` are the names in it; `base` is what is put before a bare tag, empty if it has none."""
        self._paths = paths
        self._source = archive
        self._images = tuple(name if "/" in name or ":" in name or not base else f"{base}:{name}" for name in images)
        self._base = base
        self._draft = paths.images / _DRAFT

    def copy(self) -> None:
        """Raises OSError if there is no room for it."""
        digest, size = hashlib.sha256(f"{self._base}\n".encode()), 0
        self.discard()
        self._draft.mkdir(parents=True, mode=0o700)
        with open(self._source, "rb") as source, open(self._draft / self._source.name, "wb") as target:
            while piece := source.read(_PIECE):
                digest.update(piece)
                size += target.write(piece)
        self._archive = Archive(digest.hexdigest(), self._source.name, self._images, size)

    def discard(self) -> None:
        """Remove a copy that is not kept."""
        shutil.rmtree(self._draft, ignore_errors=True)

    def keep(self, nodes: Sequence[NodeSpec]) -> None:
        """Keep what was copied; `nodes` have its images by now. Raises OSError, HouseError."""
        before = {archive.digest: archive for archive in kept(self._paths)}
        lacking = {node: {archive.digest for archive in missing(self._paths, node)} for node in nodes}
        newest = before.pop(self._archive.digest, self._archive)
        place = self._paths.images / newest.digest
        if newest is self._archive:
            shutil.rmtree(place, ignore_errors=True)
            self._draft.rename(place)
        after = with_newest(list(before.values()), newest)
        write_atomically(self._paths.images / _LIST, msgspec.json.encode(after))
        for node in nodes:
            late = lacking[node] - {newest.digest}
            _write_given(self._paths, node, (archive for archive in after if archive.digest not in late))
        listed = {archive.digest for archive in after}
        for entry in self._paths.images.iterdir():
            if entry.is_dir() and entry.name not in listed:
                shutil.rmtree(entry, ignore_errors=True)
