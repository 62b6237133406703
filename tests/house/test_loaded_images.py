"""What `image load` was given reaches nodes that come later."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Sequence

import pytest

from pilothouse.house import images, loaded_images
from pilothouse.house.bring_up import BringUp
from pilothouse.house.loaded_images import Archive, Keeping, with_newest
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.runtime.simulated.images import SimulatedImages
from pilothouse.seams.house import HouseError
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.testing.clock import VirtualClock
from tests.house.test_steps import Recorder

NODES = (NodeSpec("node-1", 1), NodeSpec("node-2", 2))
SPEC = ClusterSpec("dev", "containerd", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16", NODES)


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Paths:
    return Paths(tmp_path / "state/dev", tmp_path / "run/dev")


class Containerd(SimulatedImages):
    """Remembers what was in the files that it imported, and fails with those that are called bad."""

    def __init__(self) -> None:
        super().__init__()
        self.imported: list[bytes] = []

    async def load_archive(self, path: str) -> Sequence[str]:
        if path.endswith("bad.tar"):
            raise RuntimeFailure("no good")
        self.imported.append(_content(path))
        return ()


def _content(path: str) -> bytes:
    return pathlib.Path(path).read_bytes()


def load(paths: Paths, file: str, content: bytes, *names: str, nodes: Sequence[NodeSpec] = (), base: str = "") -> None:
    source = paths.state.parent / file
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(content)
    keeping = Keeping(paths, source, names, base)
    keeping.copy()
    keeping.keep(nodes)
    keeping.discard()
    source.unlink()


def given(paths: Paths, node: NodeSpec) -> list[bytes]:
    """What the node imports when it starts."""
    runtime = Containerd()
    asyncio.run(loaded_images.give(paths, node, runtime))
    return runtime.imported


def folders(paths: Paths) -> int:
    return sum(entry.is_dir() for entry in paths.images.iterdir())


def test_a_later_node_gets_all_in_order_and_once(paths: Paths) -> None:
    first, later = NODES
    load(paths, "a.tar", b"a", "x/a:1", nodes=[first])
    load(paths, "b.tar", b"b", "x/b:1", nodes=[first])
    assert given(paths, first) == []
    assert given(paths, later) == [b"a", b"b"]
    assert given(paths, later) == []
    load(paths, "c.tar", b"c", "x/c:1", nodes=[first])
    assert given(paths, later) == [b"c"]


def test_nodes_that_come_to_an_empty_cluster_get_all(paths: Paths) -> None:
    load(paths, "a.tar", b"a", "x/a:1")
    assert [given(paths, node) for node in NODES] == [[b"a"], [b"a"]]


def test_equal_content_is_kept_once_and_comes_last(paths: Paths) -> None:
    load(paths, "a.tar", b"a", "x/a:1")
    load(paths, "b.tar", b"b", "x/a:1", "x/b:1")
    load(paths, "other.tar", b"a", "x/a:1")
    assert folders(paths) == 2
    assert given(paths, NODES[0]) == [b"b", b"a"]


def test_what_newer_archives_replaced_is_not_kept(paths: Paths) -> None:
    for version in (b"1", b"2", b"3"):
        load(paths, "a.tar", version, "x/a:latest", nodes=NODES[:1])
    assert folders(paths) == 1
    assert given(paths, NODES[1]) == [b"3"]
    assert given(paths, NODES[0]) == []


def test_a_bare_tag_is_the_image_of_its_file(paths: Paths) -> None:
    load(paths, "a.tar", b"same", "v1", base="docker.io/library/a")
    load(paths, "b.tar", b"same", "v1", base="docker.io/library/b")
    assert [archive.images for archive in loaded_images.kept(paths)] == [
        ("docker.io/library/a:v1",),
        ("docker.io/library/b:v1",),
    ]


def test_the_order_of_what_is_left() -> None:
    a, b, both, unnamed = (Archive(d, d, n) for d, n in (("1", ("a",)), ("2", ("b",)), ("3", ("a", "b")), ("4", ())))
    assert with_newest([a, b], both) == [both]
    assert with_newest([both], a) == [both, a]
    assert with_newest([both, a], b) == [a, b]
    assert with_newest([unnamed], a) == [unnamed, a]


def test_one_that_cannot_be_imported_keeps_no_node_from_starting(paths: Paths) -> None:
    load(paths, "bad.tar", b"bad", "x/bad:1")
    load(paths, "a.tar", b"a", "x/a:1")
    assert given(paths, NODES[0]) == [b"a"]
    assert [archive.file for archive in loaded_images.missing(paths, NODES[0])] == ["bad.tar"]
    folder = paths.images / loaded_images.kept(paths)[0].digest
    (folder / "bad.tar").rename(folder / "good.tar")
    (paths.images / "list.json").write_text((paths.images / "list.json").read_text().replace("bad.tar", "good.tar"))
    assert given(paths, NODES[0]) == [b"bad", b"a"], "the newest again, for a name means the image that came last"


def test_a_damaged_list_is_told_with_what_to_do(paths: Paths) -> None:
    load(paths, "a.tar", b"a", "x/a:1")
    (paths.images / "list.json").write_text("{")
    with pytest.raises(HouseError, match="cannot be read") as caught:
        loaded_images.missing(paths, NODES[0])
    assert str(paths.images) in caught.value.advice


def test_up_says_on_how_many_nodes_it_imports(paths: Paths) -> None:
    def start() -> str:
        steps = BringUp(paths, None, SPEC, VirtualClock(), Recorder()).steps()
        return next(step.name for step in steps if step.name.startswith("start the control plane"))

    assert start() == "start the control plane and 2 nodes"
    load(paths, "a.tar", b"a" * 1000, "x/a:1", nodes=NODES[:1])
    assert start() == "start the control plane and 2 nodes, import loaded images on 1 node"
    assert loaded_images.seconds_for(paths, NODES[1]) == 1000 / loaded_images.BYTES_A_SECOND
    assert loaded_images.seconds_for(paths, NODES[0]) == 0


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeFailure("no good")])
def test_a_load_that_fails_keeps_nothing(
    paths: Paths, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(images, "_import", fails)
    monkeypatch.setattr(images, "names_in", lambda archive: ["x/a:1"])
    source = tmp_path / "a.tar"
    source.write_bytes(b"a")
    progress = Recorder()
    with pytest.raises(HouseError):
        images.load(paths, SPEC, source, progress)
    assert any(line.startswith("failed import a.tar on 2 nodes") for line in progress.said)
    assert loaded_images.kept(paths) == []
    assert folders(paths) == 0
