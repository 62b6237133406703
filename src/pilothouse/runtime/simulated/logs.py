"""The log files of simulated containers, in CRI's format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pilothouse.api.time import format_micro_time

LARGEST_FILE = 10 << 20
LONGEST_LINE = 16 << 10


class LogWriter:
    """Writes what a container says, line by line, as `TIME STREAM F TEXT`. A line that is longer than LONGEST_LINE is
    cut into pieces, all but the last of which are marked P. A file that grows too large is put aside as `.1`."""

    def __init__(self, path: str, now: Callable[[], float]) -> None:
        self._path = Path(path)
        self._now = now
        self._pending = {"stdout": b"", "stderr": b""}
        self._size = 0

    def open(self) -> None:
        """Make the file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()
        self._size = self._path.stat().st_size

    def write(self, stream: str, data: bytes) -> None:
        *lines, rest = (self._pending[stream] + data).split(b"\n")
        records = []
        for line in lines:
            while len(line) > LONGEST_LINE:
                records.append((b"P", line[:LONGEST_LINE]))
                line = line[LONGEST_LINE:]
            records.append((b"F", line))
        while len(rest) > LONGEST_LINE:
            records.append((b"P", rest[:LONGEST_LINE]))
            rest = rest[LONGEST_LINE:]
        self._pending[stream] = rest
        self._append(stream, records)

    def close(self) -> None:
        """Write what has no end of line."""
        for stream, rest in self._pending.items():
            if rest:
                self._append(stream, [(b"F", rest)])
                self._pending[stream] = b""

    def _append(self, stream: str, records: list[tuple[bytes, bytes]]) -> None:
        if not records:
            return
        head = f"{format_micro_time(self._now())} {stream} ".encode()
        data = b"".join(head + tag + b" " + line + b"\n" for tag, line in records)
        if self._size + len(data) > LARGEST_FILE and self._size:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._size = 0
        with self._path.open("ab") as file:
            file.write(data)
        self._size += len(data)
