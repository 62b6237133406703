"""Where audit events go: lines of JSON in a file that is rotated by size."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Protocol


class Sink(Protocol):
    """Takes events, each one JSON object, in order."""

    def write(self, lines: Sequence[bytes]) -> None: ...

    def close(self) -> None: ...


class FileSink:
    """Appends to `path`; past `largest` bytes the file becomes `path.1`, the one before it `path.2`, up to `kept`."""

    def __init__(self, path: pathlib.Path, *, largest: int = 100 * 1024 * 1024, kept: int = 10) -> None:
        self._path, self._largest, self._kept = path, largest, kept
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, lines: Sequence[bytes]) -> None:
        data = b"".join(line + b"\n" for line in lines)
        if self._size and self._size + len(data) > self._largest:
            self._rotate()
        written = memoryview(data)
        while written:
            written = written[os.write(self._file, written) :]
        self._size += len(data)

    def _rotate(self) -> None:
        os.close(self._file)
        for number in range(self._kept, 0, -1):
            source = self._numbered(number - 1)
            if source.exists():
                source.replace(self._numbered(number))
        self._open()

    def _numbered(self, number: int) -> pathlib.Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def close(self) -> None:
        os.close(self._file)
