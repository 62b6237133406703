"""The file tree of a simulated container, in memory. Pure but for the clock's time that it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LARGEST_TREE = 16 << 20
# A file that is appended to is copied each time.
LARGEST_APPENDED = 512 << 10
MOST_FILES = 2000
LONGEST_PATH = 4096
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
    """Absolute, normalized paths to entries. All methods that take a path raise FileFailure."""

    def __init__(self, now: float = 0.0) -> None:
        self._entries = {path: Entry(None, 0o755, now) for path in FOLDERS}
        self._entries["/etc/passwd"] = Entry(b"root:x:0:0:root:/root:/bin/sh\n", 0o644, now)
        self._size = 0

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
        if append and len(old) + len(data) > LARGEST_APPENDED:
            raise FileFailure("File too large")
        new = old + data if append else data
        if self._size - len(old) + len(new) > LARGEST_TREE or (before is None and len(self._entries) >= MOST_FILES):
            raise FileFailure("No space left on device")
        self._size += len(new) - len(old)
        self._entries[path] = Entry(new, before.mode if before is not None else mode, now)

    def make_folder(self, path: str, now: float, *, parents: bool = False, mode: int = 0o755) -> None:
        """Make a folder; with `parents` those above it too, and it may be there already."""
        entry = self._entries.get(path)
        if entry is not None:
            if parents and entry.data is None:
                return
            raise FileFailure("File exists")
        above = path.rpartition("/")[0] or "/"
        if parents and above not in self._entries:
            self.make_folder(above, now, parents=True)
        self._need_folder(path)
        if len(self._entries) >= MOST_FILES:
            raise FileFailure("No space left on device")
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
                self._size -= len(self._entries.pop(below).data or b"")
        if path != "/":
            self._size -= len(self._entries.pop(path).data or b"")

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
