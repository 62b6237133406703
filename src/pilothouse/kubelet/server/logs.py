"""A container's log as a stream: from the file that the runtime writes, over its rotation, to the container's end."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from pilothouse.api.time import parse_time
from pilothouse.kit.clock import Clock
from pilothouse.kubelet import log_files
from pilothouse.kubelet.server.host import Refused
from pilothouse.kubelet.server.log_lines import LogOptions, Printer
from pilothouse.seams.runtime import Container

PIECE = 64 * 1024
POLL_SECONDS = 0.1
_STREAMS = {"": "", "All": "", "Stdout": "stdout", "Stderr": "stderr"}


def options_of(query: Mapping[str, Sequence[str]], now: float) -> LogOptions:
    """The options of a request. Raises Refused (400, 422)."""
    try:
        tail = _number(query, "tailLines")
        limit = _number(query, "limitBytes")
        seconds = _number(query, "sinceSeconds")
        time = query.get("sinceTime", ("",))[0]
        since = parse_time(time) if time else None if seconds is None else now - seconds
    except ValueError:
        raise Refused(400, '{"message": "Unable to decode query."}') from None
    stream = query.get("stream", ("",))[0]
    if stream not in _STREAMS:
        raise Refused(400, f'invalid stream type "{stream}"')
    if (tail or 0) < 0 or (limit is not None and limit < 1) or (seconds is not None and seconds < 1):
        raise Refused(422, '{"message": "Invalid request."}')
    return LogOptions(
        follow=_flag(query, "follow"),
        timestamps=_flag(query, "timestamps"),
        since=None if since is None else int(since * 10**9),
        tail=tail,
        limit=limit,
        stream=_STREAMS[stream],
    )


def _number(query: Mapping[str, Sequence[str]], name: str) -> int | None:
    values = query.get(name)
    return int(values[0]) if values else None


def _flag(query: Mapping[str, Sequence[str]], name: str) -> bool:
    values = query.get(name)
    return bool(values) and values[0].lower() not in ("false", "0") if values else False


def tail_start(file: io.BufferedIOBase, lines: int) -> int:
    """Where the last `lines` lines of `file` begin; a last line without its end is not counted."""
    position = end = file.seek(0, os.SEEK_END)
    if lines == 0:
        return end
    found = -1
    while position > 0:
        start = max(0, position - PIECE)
        file.seek(start)
        block = file.read(position - start)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found == lines:
                return start + at + 1
        position = start
    return 0


async def read_log(
    path: Path, options: LogOptions, alive: Callable[[], Awaitable[bool]], clock: Clock
) -> AsyncIterator[bytes]:
    """What `options` ask to see of the log at `path`, in pieces; followed until `alive` says no and all has been read.
    A log that is not there yet is empty."""
    printer = Printer(options)
    file = _open(path)
    try:
        if file is not None and options.tail is not None:
            file.seek(tail_start(file, options.tail))
        ending = not options.follow
        while True:
            data = file.read(PIECE) if file is not None else b""
            if data:
                if shown := printer.feed(data):
                    yield shown
                if printer.full:
                    return
                await clock.sleep(0)
                continue
            rotated = _open(path) if file is None or _rotated(path, file) else None
            if rotated is not None:
                if file is not None:
                    file.close()
                file = rotated
                continue
            if ending:
                return
            ending = not await alive()
            if not ending:
                await clock.sleep(POLL_SECONDS)
    finally:
        if file is not None:
            file.close()


def _open(path: Path) -> io.BufferedReader | None:
    try:
        return log_files.opened(path)
    except OSError:
        return None


def _rotated(path: Path, file: io.BufferedReader) -> bool:
    try:
        return os.lstat(path).st_ino != os.fstat(file.fileno()).st_ino
    except OSError:
        return False


def path_of(container: Container) -> Path:
    """The file that the runtime writes for `container`."""
    return Path(container.log_path)
