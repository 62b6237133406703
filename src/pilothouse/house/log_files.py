"""The logs of a cluster's processes, as lines: their ends, what is young enough, and what is yet to be written."""

from __future__ import annotations

import collections
import datetime
import json
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import TextIO

from pilothouse.kit.clock import Clock, pause
from pilothouse.seams.house import LogRequest

POLL_SECONDS = 0.2
_STAMP = re.compile(r"^(?:\x1b\[\d+m)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")


def moment_of(line: str) -> float | None:
    """When a line was written (seconds since the epoch), if it says so: both forms of `kit.logs` do."""
    text = ""
    if match := _STAMP.match(line):
        text = match[1]
    elif line.startswith("{"):
        try:
            found = json.loads(line)
        except ValueError:
            return None
        text = str(found.get("ts", "")) if isinstance(found, dict) else ""
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def younger(lines: Iterator[str], than: float) -> Iterator[str]:
    """From the first line on that was written after a moment; those that do not say when belong to the one before."""
    for line in lines:
        moment = moment_of(line)
        if moment is not None and moment >= than:
            yield line
            yield from lines


def lines_of(files: Sequence[tuple[str, pathlib.Path]], request: LogRequest, clock: Clock) -> Iterator[str]:
    """The lines of `files`, each a prefix and a path that need not exist, as `request` wants them. With `follow` it
    never ends."""
    positions = []
    for prefix, path in files:
        position = 0
        if path.exists():
            with open(path, errors="replace") as file:
                yield from (prefix + line for line in _chosen(file, request, clock.now()))
                position = file.tell()
        positions.append(position)
    while request.follow:
        pause(POLL_SECONDS)
        for index, (prefix, path) in enumerate(files):
            new, positions[index] = _written(path, positions[index])
            yield from (prefix + line for line in new)


def _chosen(file: TextIO, request: LogRequest, now: float) -> Iterator[str]:
    lines: Iterator[str] = (line.rstrip("\n") for line in iter(file.readline, ""))
    if request.since is not None:
        lines = younger(lines, now - request.since)
    return lines if request.tail is None else iter(collections.deque(lines, request.tail))


def _written(path: pathlib.Path, position: int) -> tuple[list[str], int]:
    """The whole lines that were written after `position`, and where they end; a file that shrank is a new one."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size < position:
                position = 0
            file.seek(position)
            whole, newline, _ = file.read().rpartition(b"\n")
    except FileNotFoundError:
        return [], 0
    lines = whole.decode(errors="replace").split("\n") if newline else []
    return lines, position + len(whole) + len(newline)
