"""The door to paths that containers may have had their hands in: links, swaps at the worst moment, endless depths."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from pilothouse.kubelet import last_words, log_files
from pilothouse.kubelet.configs import MESSAGE_FILE_ANNOTATION
from pilothouse.kubelet.safepath import descriptors, files, trees
from pilothouse.kubelet.volumes import atomic
from pilothouse.kubelet.volumes.model import File
from pilothouse.seams.runtime import Container, ContainerState

SECRET = "of the host"


@pytest.fixture(params=["openat2", "part by part"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The door with openat2, and without as on older kernels."""
    if request.param != "openat2":

        def unknown(folder: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
            raise descriptors.NoOpenat2

        monkeypatch.setattr(descriptors, "openat2", unknown)
        monkeypatch.setattr(trees, "openat2", unknown)
    return str(request.param)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume beside something that is none of its business."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/secret").write_text(SECRET)
    (tmp_path / "v/inner").mkdir(parents=True)
    (tmp_path / "v/inner/file").write_text("own")
    return tmp_path / "v"


def shown(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    ("link", "target", "path", "comes_to"),
    [
        ("", "", "", ""),
        ("", "", "inner/./file", "inner/file"),
        ("l", "inner", "l/file", "inner/file"),
        ("l", "inner/file", "l", "inner/file"),
        ("inner/up", "../inner", "inner/up/file", "inner/file"),
        ("l", "{v}/inner", "l/file", "inner/file"),
    ],
)
def test_links_are_followed_inside(kernel: str, volume: Path, link: str, target: str, path: str, comes_to: str) -> None:
    if link:
        (volume / link).symlink_to(target.replace("{v}", str(volume)))
    assert shown(descriptors.open_inside(str(volume), path)) == str(volume / comes_to).rstrip("/")


@pytest.mark.parametrize(
    ("link", "target", "path", "number"),
    [
        ("l", "/", "l", errno.EXDEV),
        ("l", "../host", "l/secret", errno.EXDEV),
        ("l", "inner/../../host", "l", errno.EXDEV),
        ("l", "/proc/self/root", "l", errno.EXDEV),
        ("l", "l", "l", errno.ELOOP),
        ("l", "nowhere", "l", errno.ENOENT),
        ("", "", "inner/file/x", errno.ENOTDIR),
        ("", "", "../host", errno.EXDEV),
        ("", "", "/etc", errno.EXDEV),
    ],
)
def test_links_that_lead_outside(kernel: str, volume: Path, link: str, target: str, path: str, number: int) -> None:
    if link:
        (volume / link).symlink_to(target)
    with pytest.raises(OSError, match="Errno") as caught:
        descriptors.open_inside(str(volume), path)
    assert caught.value.errno == number


def test_a_link_put_in_place_after_the_look(volume: Path, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst moment: the way was found to be good, and is then swapped."""
    (volume / "l").symlink_to(volume / "inner")
    look = descriptors.canonical

    def swapped(path: str) -> str:
        way = look(path)
        if path != str(volume):
            (volume / "inner").rename(volume / "away")
            (volume / "inner").symlink_to("../host")
        return way

    monkeypatch.setattr(descriptors, "canonical", swapped)
    with pytest.raises(OSError, match="Errno") as caught:
        descriptors.open_inside(str(volume), "l")
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)


def test_no_part_below_may_be_a_link(kernel: str, volume: Path) -> None:
    (volume / "l").symlink_to("inner")
    with closing_folder(volume) as top:
        assert shown(descriptors.open_below(top, "inner/file")) == str(volume / "inner/file")
        for path in ("l", "l/file", "inner/../l"):
            with pytest.raises(OSError, match="Errno"):
                descriptors.open_below(top, path)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o2777, 0o3770, 0o4711])
def test_a_missing_sub_path_has_the_volumes_whole_mode(kernel: str, volume: Path, mode: int) -> None:
    descriptors.make_inside(str(volume), "inner/a/b", mode)
    assert stat.S_IMODE((volume / "inner/a/b").stat().st_mode) == mode
    descriptors.make_inside(str(volume), "inner/a/b", 0o700)
    assert stat.S_IMODE((volume / "inner/a/b").stat().st_mode) == mode, "one that is there stays as it is"


def test_nothing_is_made_outside(kernel: str, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (volume / "out").symlink_to("../host")
    (volume / "dangling").symlink_to("../host/new")
    for path in ("out/new", "dangling", "dangling/x"):
        with pytest.raises(OSError, match="Errno"):
            descriptors.make_inside(str(volume), path, 0o777)
    make = os.mkdir

    def swapped(path: str, mode: int, *, dir_fd: int) -> None:
        make(path, mode, dir_fd=dir_fd)
        if path == "a":
            (volume / "a").rename(volume / "away")
            (volume / "a").symlink_to("../host")

    monkeypatch.setattr(os, "mkdir", swapped)
    with pytest.raises(OSError, match="Errno"):
        descriptors.make_inside(str(volume), "a/b", 0o777)
    assert sorted(p.name for p in (volume.parent / "host").iterdir()) == ["secret"]


# Trees.


def deep(top: Path, depth: int) -> None:
    """Folders in folders, deeper than a path can say, or a program can call itself."""
    held = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=held)
        inner = os.open("d", os.O_RDONLY, dir_fd=held)
        os.close(held)
        held = inner
    os.close(os.open("end", os.O_WRONLY | os.O_CREAT, dir_fd=held))
    os.close(held)


class closing_folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> int:
        self._fd = os.open(self._path, os.O_RDONLY)
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def test_a_tree_of_any_depth_is_listed_measured_and_removed(kernel: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    deep(tmp_path / "t", 3000)
    (tmp_path / "t/file").write_bytes(b"x" * 8192)
    with closing_folder(tmp_path / "t") as top:
        found = list(trees.entries(top))
    assert len(found) == 3002
    assert max(len(entry.path) for entry in found) == 3001
    assert trees.size(str(tmp_path / "t")) >= 8192
    trees.remove_path(str(tmp_path / "t"))
    assert not (tmp_path / "t").exists()


def test_names_of_one_file_count_once_and_links_not_at_all(kernel: str, volume: Path) -> None:
    (volume.parent / "host/large").write_bytes(b"x" * (1 << 20))
    (volume / "a").write_bytes(b"x" * 40960)
    before = trees.size(str(volume))
    os.link(volume / "a", volume / "inner/b")
    (volume / "out").symlink_to("../host")
    assert trees.size(str(volume)) == before
    assert trees.size(str(volume / "nowhere")) == 0
    assert trees.size(str(volume / "out")) == 0


def test_removing_stops_at_links(kernel: str, volume: Path) -> None:
    (volume / "out").symlink_to("../host")
    (volume / "inner/out").symlink_to("../../host")
    for name in (".removing-1", ".removing-2"):
        (volume / name).write_text("in the way")
    (volume / "inner/full/x").mkdir(parents=True)
    trees.remove_path(str(volume))
    assert not volume.exists()
    trees.remove_path(str(volume))
    (volume.parent / "l").symlink_to("host")
    trees.remove_path(str(volume.parent / "l"))
    assert (volume.parent / "host/secret").read_text() == SECRET


def test_a_folder_swapped_while_it_is_removed(kernel: str, volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.stat
    swaps: list[Callable[[], object]] = [
        lambda: (volume / "inner").rename(volume / "away"),
        lambda: (volume / "inner").symlink_to("../host"),
    ]

    def swapped(path: str, **options: object) -> os.stat_result:
        status = look(path, **options)  # type: ignore[arg-type]
        if path == "inner":
            while swaps:
                swaps.pop(0)()
        return status

    monkeypatch.setattr(os, "stat", swapped)
    with suppress(OSError):
        trees.remove_path(str(volume))
    assert (volume.parent / "host/secret").read_text() == SECRET


def test_a_tree_that_moves_while_it_is_measured(kernel: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    deep(tmp_path / "t", trees.HELD_OPEN + 50)
    with closing_folder(tmp_path / "t") as top:
        found = trees.entries(top)
        for _ in range(trees.HELD_OPEN + 10):
            next(found)
        (tmp_path / "t/d").rename(tmp_path / "elsewhere")
        assert sum(1 for _ in found) <= 60, "it ends"


# Files.


def test_reading_takes_plain_files_alone(kernel: str, volume: Path) -> None:
    os.mkfifo(volume / "pipe")
    (volume / "l").symlink_to("inner/file")
    with files.folder(volume) as top:
        assert files.read(top, "inner/file", 2) == b"ow"
        for name in ("pipe", "l", "inner", "nowhere"):
            with pytest.raises(OSError, match="Errno"):
                files.read(top, name, 10)


def test_writing_keeps_the_inode_and_follows_nothing(kernel: str, volume: Path) -> None:
    with files.folder(volume) as top:
        files.write(top, "f", b"longer text", 0o600)
        inode = (volume / "f").stat().st_ino
        files.write(top, "f", b"x", 0o644)
        assert ((volume / "f").read_text(), (volume / "f").stat().st_ino) == ("x", inode)
        os.mkfifo(volume / "pipe")
        (volume / "l").symlink_to("../host/secret")
        for name in ("l", "pipe"):
            files.write(top, name, b"own", 0o644)
            assert (volume / name).read_text() == "own"
    assert (volume.parent / "host/secret").read_text() == SECRET


def container_with(path: Path) -> Container:
    annotations = {MESSAGE_FILE_ANNOTATION: str(path)}
    return Container("id", "s", "c", 0, "i", "", ContainerState.EXITED, 0.0, {}, annotations)


def test_last_words_are_bounded_and_come_from_the_pods_own_file(kernel: str, tmp_path: Path) -> None:
    path = Path(last_words.prepare(tmp_path / "pods/u", "c", 0))
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    path.write_bytes(b"\xff" + b"x" * (5 << 20))
    assert len(last_words.last_words(container_with(path), tmp_path / "pods")) == last_words.LONGEST
    (tmp_path / "secret").write_text(SECRET)
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    for other in (path, tmp_path / "secret", tmp_path / "pods/u/../../secret"):
        assert last_words.last_words(container_with(other), tmp_path / "pods") == ""
    last_words.prepare(tmp_path / "pods/u", "c", 0)
    assert (tmp_path / "secret").read_text() == SECRET


# Projected files.


def test_an_update_does_not_follow_what_somebody_put_into_the_volume(kernel: str, tmp_path: Path) -> None:
    """`..data` that points to the host once had the next update delete what it points to."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host/secret").write_text(SECRET)
    folder = tmp_path / "v"
    folder.mkdir()
    wanted = {"a": File(b"1", 0o644), "x/y": File(b"2", 0o600)}
    atomic.write(folder, wanted, "one", None)
    for number, target in enumerate(("../host", "..", str(tmp_path / "host"), "..data", "../../../../../..")):
        (folder / "..data").unlink()
        (folder / "..data").symlink_to(target)
        assert atomic.write(folder, wanted, f"again{number}", None)
        assert (folder / "x/y").read_text() == "2"
    (folder / "a").unlink()
    (folder / "a").symlink_to("../host/secret")
    (folder / "..data").unlink()
    (folder / "..data").mkdir()
    assert atomic.write(folder, {**wanted, "b": File(b"3", 0o644)}, "last", None)
    assert sorted(p.name for p in folder.iterdir()) == ["..data", "..last", "a", "b", "x"]
    assert (folder / "a").read_text() == "1"
    assert (tmp_path / "host/secret").read_text() == SECRET


@pytest.mark.parametrize("killed_at", range(12))
def test_an_update_that_was_killed_half_way_is_made_again(
    tmp_path: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    atomic.write(tmp_path, {"a": File(b"1", 0o644)}, "one", None)
    calls = 0

    class Killed(BaseException):
        pass

    def counted(name: str) -> None:
        work = getattr(os, name)

        def call(*arguments: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls > killed_at:
                raise Killed
            return work(*arguments, **named)

        monkeypatch.setattr(os, name, call)

    for name in ("mkdir", "fchmod", "symlink", "rename", "unlink", "rmdir"):
        counted(name)
    wanted = {"a": File(b"2", 0o644), "b": File(b"3", 0o644)}
    with suppress(Killed):
        atomic.write(tmp_path, wanted, "two", None)
    assert (tmp_path / "a").read_text() in "12", "what containers see is whole"
    monkeypatch.undo()
    atomic.write(tmp_path, wanted, "three", None)
    assert {name: (tmp_path / name).read_text() for name in wanted} == {"a": "2", "b": "3"}


# Logs.


def test_logs_are_not_reached_through_links(kernel: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    log = tmp_path / "pods/ns_p_u/c/0.log"
    log.parent.mkdir(parents=True)
    log.write_text("own")
    with closing(log_files.opened(log)) as file:
        assert file.read() == b"own"
    log.unlink()
    log.symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="Errno"):
        log_files.opened(log)
    assert not log_files.due(log)
    log.parent.rename(tmp_path / "pods/ns_p_u/real")
    (tmp_path / "pods/ns_p_u/c").symlink_to(tmp_path)
    log_files.remove(log.with_name("secret"))
    with pytest.raises(OSError, match="Errno"):
        log_files.rotate(log.with_name("secret"), "now")
    assert (tmp_path / "secret").read_text() == SECRET


@pytest.mark.parametrize("planted", ["pods", "pods/ns_p_u", "pods/ns_p_u/c", "pods/ns_p_u/c/1.log"])
def test_no_log_is_written_where_somebody_has_put_a_link(kernel: str, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / planted).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / planted).symlink_to(outside / "file" if planted.endswith(".log") else outside)
    log = tmp_path / "pods/ns_p_u/c/1.log"
    log_files.prepare(log)
    log.write_text("as the runtime does")
    assert os.listdir(outside) == []
    log_files.prepare(log)
    assert log.read_text() == "as the runtime does", "what is in order stays"


def test_no_folder_of_logs_is_looked_for_through_a_link(kernel: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "ns_p_u").mkdir(parents=True)
    for name in ("pods", "containers"):
        (tmp_path / name).symlink_to(outside)
    logs, links = tmp_path / "pods/ns_p_u", tmp_path / "containers"
    with pytest.raises(OSError, match="Errno"):
        log_files.remove_folder(logs)
    log_files.unlink(links, str(logs))
    log_files.sweep(links)
    log_files.link(links, "p_ns_c-1", logs / "c/0.log")
    assert os.listdir(outside) == ["ns_p_u"]
    assert os.listdir(links) == ["p_ns_c-1.log"]
    assert not links.is_symlink()


def test_agents_find_logs_by_link(tmp_path: Path) -> None:
    links = tmp_path / "containers"
    log = tmp_path / "pods/ns_p_u/c/0.log"
    log.parent.mkdir(parents=True)
    log.write_text("x")
    log_files.link(links, "p_ns_c-123", log)
    log_files.link(links, "p_ns_c-123", log)
    log_files.link(links, "n" * 300, tmp_path / "pods/other/c/0.log")
    assert (links / "p_ns_c-123.log").read_text() == "x"
    assert len(os.listdir(links)) == 2
    log_files.sweep(links)
    assert os.listdir(links) == ["p_ns_c-123.log"]
    log_files.unlink(links, str(log.parent.parent))
    assert os.listdir(links) == []
