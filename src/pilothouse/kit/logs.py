"""Logging: set up once by the house; everyone else uses `logging.getLogger(__name__)` and `extra={"pod": …}`.

Text for people, one line a record; JSON for machines, one object a line, with what `extra` gave beside the message.
Handlers never wait for a slow reader longer than a write to the file or pipe takes.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, Literal, TextIO

import msgspec

Format = Literal["text", "json"]
LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_COLORS = {
    logging.DEBUG: "\033[2m",
    logging.WARNING: "\033[33m",
    logging.ERROR: "\033[31m",
    logging.CRITICAL: "\033[31m",
}
_RESET = "\033[0m"
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+(?=>)")


def set_up(
    level: str = "info", format: Format = "text", stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Send all records of `level` and above to `stream` (standard error). Colours only to a terminal and without
    NO_COLOR. Raises ValueError for a level there is not."""
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    out = stream if stream is not None else sys.stderr
    handler = logging.StreamHandler(out)
    colored = format == "text" and out.isatty() and not environ.get("NO_COLOR")
    handler.setFormatter(JSONFormatter() if format == "json" else TextFormatter(colored))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(LEVELS[level])
    # Nobody looks at these, and finding them out costs.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def flush() -> None:
    """Write out what is still on its way; returns when the files and pipes have taken it, or refused it."""
    for handler in logging.getLogger().handlers:
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed stream: it is not waited for
            handler.flush()


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def plain(line: str) -> str:
    """A line without the addresses of objects in memory, which tell nobody anything: `<ssl.SSLContext object>`."""
    return _ADDRESS.sub("", line) if " at 0x" in line else line


def stamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def component(record: logging.LogRecord) -> str:
    """The logger's name without what all have in common."""
    return record.name.removeprefix("pilothouse.")


class TextFormatter(logging.Formatter):
    """`2026-01-01T00:00:00.000Z INFO scheduler.cycle: bound pod=default/web-1 node=n1`."""

    def __init__(self, colored: bool) -> None:
        super().__init__()
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        told = "".join(f" {key}={_shown(value)}" for key, value in extras(record).items())
        message = record.getMessage().replace("\n", "\n    ")
        line = f"{stamp(record.created)} {record.levelname} {component(record)}: {message}{told}"
        if record.exc_info:
            line += "\n    " + self.formatException(record.exc_info).replace("\n", "\n    ")
        line = plain(line)
        color = _COLORS.get(record.levelno) if self._colored else None
        return f"{color}{line}{_RESET}" if color else line


class JSONFormatter(logging.Formatter):
    """One object: `ts`, `level`, `logger`, `msg`, then the extras; `error` has the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "ts": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": component(record),
            "msg": record.getMessage(),
        }
        for key, value in extras(record).items():
            told.setdefault(key, value)
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return plain(msgspec.json.encode(told, enc_hook=str).decode())


def _shown(value: Any) -> str:
    text = str(value)
    if text and not any(c in text for c in ' "=\n\t'):
        return text
    return msgspec.json.encode(text).decode()
