"""Lines of a container's log as CRI writes them: `TIME STREAM P|F text`. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What to show. Times are nanoseconds since the epoch; None does not limit. `stream` is stdout, stderr or ""."""

    follow: bool = False
    timestamps: bool = False
    since: int | None = None
    tail: int | None = None
    limit: int | None = None
    stream: str = ""


class Line(NamedTuple):
    time: bytes
    stream: bytes
    partial: bool
    text: bytes
    """With its line end, unless partial."""


def parse(line: bytes) -> Line | None:
    """One line without its line end; None for what is no log line."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return None
    partial = parts[2].split(b":", 1)[0] == b"P"
    return Line(parts[0], parts[1], partial, parts[3] if partial else parts[3] + b"\n")


@functools.lru_cache(maxsize=256)
def _seconds(text: bytes) -> int | None:
    try:
        return int(datetime.fromisoformat(text.decode("ascii")).timestamp())
    except ValueError:
        return None


def nanoseconds(time: bytes) -> int | None:
    """RFC 3339 with any number of digits, since the epoch; None if it is none."""
    head, _, rest = time.partition(b".")
    if not rest:
        seconds = _seconds(time)
        return None if seconds is None else seconds * 10**9
    digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    seconds = _seconds(head + rest[len(digits) :])
    return None if seconds is None else seconds * 10**9 + int((digits + b"000000000")[:9])


def fixed(time: bytes) -> bytes:
    """The time with exactly nine digits of a second."""
    head, point, rest = time.partition(b".")
    if not point:
        zone = 19 if len(time) > 19 else len(time)
        return time[:zone] + b".000000000" + time[zone:]
    digits = rest[: len(rest) - len(rest.lstrip(b"0123456789"))]
    return head + b"." + (digits + b"000000000")[:9] + rest[len(digits) :]


class Printer:
    """Turns raw pieces of a log file into what the user asked to see."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._held = b""
        self._left = options.limit
        self._began = True

    @property
    def full(self) -> bool:
        """Whether the byte limit has been reached."""
        return self._left is not None and self._left <= 0

    def feed(self, data: bytes) -> bytes:
        """What to show for the next bytes of the file."""
        *lines, self._held = (self._held + data).split(b"\n")
        shown = b"".join([self._show(line) for line in lines])
        if self._left is not None:
            shown = shown[: max(self._left, 0)]
            self._left -= len(shown)
        return shown

    def _show(self, raw: bytes) -> bytes:
        line = parse(raw)
        if line is None:
            return b""
        options = self._options
        if options.stream and line.stream.decode() != options.stream:
            return b""
        if options.since is not None and (nanoseconds(line.time) or 0) < options.since:
            return b""
        began, self._began = self._began, not line.partial
        if options.timestamps and began:
            return fixed(line.time) + b" " + line.text
        return line.text
