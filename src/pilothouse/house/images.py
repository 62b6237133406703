"""Images onto the nodes of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from pilothouse.house.loaded_images import Keeping
from pilothouse.house.machine import containerd_paths
from pilothouse.house.paths import Paths
from pilothouse.house.removal import nodes_in_words
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.house.steps import CLOCK, advice_on, by_interrupt
from pilothouse.runtime.containerd.client import ContainerdRuntime
from pilothouse.runtime.images.archive import base_name
from pilothouse.seams.house import HouseError, Progress
from pilothouse.seams.runtime import RuntimeFailure

_OCI_NAME = "io.containerd.image.name"
_OCI_REFERENCE = "org.opencontainers.image.ref.name"


def names_in(archive: pathlib.Path) -> list[str]:
    """The image names that a docker or OCI archive carries. Raises HouseError if it is neither."""
    advice = "make one with `docker save -o FILE IMAGE` or `skopeo copy docker://IMAGE docker-archive:FILE:IMAGE`"
    try:
        with tarfile.open(archive) as tar:
            members = set(tar.getnames())
            if "manifest.json" in members:
                manifest = _json(tar, "manifest.json")
                return [name for image in manifest for name in image.get("RepoTags") or []]
            if "index.json" in members:
                index = _json(tar, "index.json")
                notes = [entry.get("annotations") or {} for entry in index["manifests"]]
                return [n.get(_OCI_NAME) or n[_OCI_REFERENCE] for n in notes if _OCI_NAME in n or _OCI_REFERENCE in n]
    except tarfile.ReadError:
        raise HouseError(f"{archive} is no image archive: it is no tar file", advice) from None
    except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise HouseError(f"{archive} is no image archive: {error}", advice) from None
    raise HouseError(f"{archive} is no image archive: it has neither manifest.json nor index.json", advice)


@contextlib.contextmanager
def archive_file(archive: pathlib.Path, state: pathlib.Path) -> Iterator[pathlib.Path]:
    """`archive` as a file that can be read more than once: what comes from a pipe (`-` is standard input) is kept below
    `state` meanwhile. Raises HouseError."""
    source = pathlib.Path("/dev/stdin") if str(archive) == "-" else archive
    try:
        mode = source.stat().st_mode
        if stat.S_ISREG(mode):
            yield source.resolve()
            return
        if stat.S_ISDIR(mode):
            raise HouseError(f"{archive} is a directory", "save an image with `docker save -o FILE IMAGE`")
        with tempfile.NamedTemporaryFile(dir=state, prefix=".image-") as kept, open(source, "rb") as pipe:
            shutil.copyfileobj(pipe, kept)
            kept.flush()
            yield pathlib.Path(kept.name)
    except FileNotFoundError:
        raise HouseError(f"{archive}: no such file", "save an image with `docker save -o FILE IMAGE`") from None
    except OSError as error:
        raise HouseError(f"cannot read {archive}: {error.strerror}", advice_on(error)) from None


def _json(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    with file:
        return json.load(file)


def load(paths: Paths, spec: ClusterSpec, archive: pathlib.Path, progress: Progress) -> Sequence[str]:
    """Import `archive` on every node at once, and keep it for those that come later; the image names. Raises
    HouseError."""
    names = names_in(archive)
    if spec.runtime == "simulated":
        progress.note("simulated nodes know every image: there is nothing to import")
        return names
    if not names and not spec.nodes:  # else containerd says so
        raise HouseError(f"{archive} was not imported: the archive names no image", "save an image by its name")
    keeping = Keeping(paths, archive, names, base_name(str(archive)))
    what = f"import {archive.name} on {nodes_in_words(len(spec.nodes))}, and keep it for those that come later"
    progress.started(what)
    began = CLOCK.monotonic()
    try:
        keeping.copy()
        asyncio.run(_import(paths, spec.nodes, archive.absolute()))
        keeping.keep(spec.nodes)
    except RuntimeFailure as error:
        progress.failed(what, str(error))
        advice = f"is the cluster up? `pilothouse status --name {spec.name}`"
        raise HouseError(f"{archive} was not imported: {error}", advice) from error
    except (HouseError, OSError) as error:
        if by_interrupt(error):
            raise KeyboardInterrupt from None
        progress.failed(what, str(error))
        if isinstance(error, OSError):
            kept = f"{archive} cannot be kept for nodes that come later"
            raise HouseError(f"{kept}: {error.strerror}", advice_on(error)) from None
        raise
    finally:
        keeping.discard()
    progress.finished(what, CLOCK.monotonic() - began)
    return names


async def _import(paths: Paths, nodes: Sequence[NodeSpec], archive: pathlib.Path) -> None:
    async def one(node: NodeSpec) -> None:
        place = containerd_paths(paths, node)
        runtime = ContainerdRuntime(place.socket, place.cni_conf, CLOCK)
        try:
            await runtime.load_archive(str(archive))
        finally:
            await runtime.close()

    for outcome in await asyncio.gather(*(one(node) for node in nodes), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
