"""The file tree of a simulated container, in memory. Pure but for the clock's time that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.runtime.simulated.cgroup import COPIED, Cgroup

LARGEST_TREE = 16 << 20
MOST_FILES = 2000
# What a file takes beside its content and its path.
ENTRY = 400
LONGEST_PATH = 1024
FOLDERS = ("/", "/bin", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/tmp", "/usr", "/usr/bin", "/var")
NOWHERE = "/dev/null"


class FileFailure(OSError):
    """What a program prints behind the name of the file: `No such file or directory`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class Entry:
    """A file, or a folder if `data` is None. `modified` is in seconds since the epoch."""

    data: bytes | None
    mode: int
    modified: float


class Files:
    """Absolute, normalized paths to entries, which the container is charged for. All methods that take a path raise
    FileFailure."""

    def __init__(self, cgroup: Cgroup, now: float = 0.0) -> None:
        self._cgroup = cgroup
        self._entries = {path: Entry(None, 0o755, now) for path in FOLDERS}
        self._entries["/etc/passwd"] = Entry(b"root:x:0:0:root:/root:/bin/sh\n", 0o644, now)
        self._size = 0
        self._grow(sum(ENTRY + len(path) for path in self._entries))

    @property
    def price(self) -> float:
        """Microseconds that it takes to go through all paths."""
        return 0.2 * len(self._entries)

    def clear(self) -> None:
        """Forget everything: the container is over."""
        self._entries.clear()

    @staticmethod
    def absolute(path: str, folder: str) -> str:
        """`path` as seen from `folder`, without `.`, `..` and doubled slashes."""
        parts: list[str] = []
        for part in (path if path.startswith("/") else f"{folder}/{path}").split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def entry(self, path: str) -> Entry | None:
        if path == NOWHERE:
            return Entry(b"", 0o666, 0.0)
        return self._entries.get(path)

    def read(self, path: str) -> bytes:
        entry = self.entry(path)
        if entry is None:
            raise FileFailure("No such file or directory")
        if entry.data is None:
            raise FileFailure("Is a directory")
        return entry.data

    def write(self, path: str, data: bytes, now: float, *, append: bool = False, mode: int = 0o644) -> None:
        """Make a file, or change its content."""
        if path == NOWHERE:
            return
        before = self._entries.get(path)
        if before is not None and before.data is None:
            raise FileFailure("Is a directory")
        self._need_folder(path)
        old = before.data if before is not None and before.data is not None else b""
        grown = len(data) - (0 if append else len(old))
        if self._size + grown > LARGEST_TREE or (before is None and len(self._entries) >= MOST_FILES):
            raise FileFailure("No space left on device")
        self._cgroup.work((len(data) + (len(old) if append else 0)) * COPIED, "File too large")
        self._grow(grown if before is not None else grown + ENTRY + len(path))
        self._size += grown
        self._entries[path] = Entry(old + data if append else data, before.mode if before is not None else mode, now)

    def _grow(self, size: int) -> None:
        if size > 0:
            self._cgroup.charge(size)
        else:
            self._cgroup.release(-size)

    def make_folder(self, path: str, now: float, *, parents: bool = False, mode: int = 0o755) -> None:
        """Make a folder; with `parents` those above it too, and it may be there already."""
        entry = self._entries.get(path)
        if entry is not None:
            if parents and entry.data is None:
                return
            raise FileFailure("File exists")
        if parents:
            for end, character in enumerate(path[:LONGEST_PATH]):
                if character == "/" and end and path[:end] not in self._entries:
                    self._add_folder(path[:end], now, 0o755)
        self._add_folder(path, now, mode)

    def _add_folder(self, path: str, now: float, mode: int) -> None:
        self._need_folder(path)
        if len(self._entries) >= MOST_FILES:
            raise FileFailure("No space left on device")
        self._cgroup.work(10)
        self._grow(ENTRY + len(path))
        self._entries[path] = Entry(None, mode, now)

    def remove(self, path: str, *, tree: bool = False) -> None:
        """Take away a file, or with `tree` a folder and all below."""
        entry = self._entries.get(path)
        if entry is None:
            raise FileFailure("No such file or directory")
        if entry.data is None:
            if not tree:
                raise FileFailure("is a directory")
            for below in [name for name in self._entries if name.startswith(path.rstrip("/") + "/")]:
                self._drop(below)
        if path != "/":
            self._drop(path)

    def _drop(self, path: str) -> None:
        size = len(self._entries.pop(path).data or b"")
        self._size -= size
        self._grow(-size - ENTRY - len(path))

    def change_mode(self, path: str, mode: int) -> None:
        entry = self._entries.get(path)
        if entry is None:
            raise FileFailure("No such file or directory")
        entry.mode = mode

    def listing(self, folder: str) -> list[str]:
        """The names in a folder, sorted."""
        entry = self._entries.get(folder)
        if entry is None:
            raise FileFailure("No such file or directory")
        if entry.data is not None:
            return [folder.rpartition("/")[2]]
        prefix = folder.rstrip("/") + "/"
        names = (path[len(prefix) :] for path in self._entries if path.startswith(prefix))
        return sorted(name for name in names if name and "/" not in name)

    def below(self, path: str) -> Iterator[str]:
        """`path` and all paths below it, folders before what they hold."""
        prefix = path.rstrip("/") + "/"
        yield from sorted(name for name in self._entries if name == path or name.startswith(prefix))

    def _need_folder(self, path: str) -> None:
        if len(path) > LONGEST_PATH:
            raise FileFailure("File name too long")
        above = self._entries.get(path.rpartition("/")[0] or "/")
        if above is None:
            raise FileFailure("No such file or directory")
        if above.data is not None:
            raise FileFailure("Not a directory")
