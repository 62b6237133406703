"""Termination messages: what an ended container left in its file, or at the end of its log. Blocking."""

from __future__ import annotations

import os
from pathlib import Path

from pilothouse.kubelet.configs import MESSAGE_FILE_ANNOTATION, MESSAGE_POLICY_ANNOTATION
from pilothouse.seams.runtime import Container

LONGEST = 4096
LOG_BYTES, LOG_LINES = 2048, 80


def last_words(container: Container) -> str:
    """The message, "" if there is none."""
    text = _file(container.annotations.get(MESSAGE_FILE_ANNOTATION, ""))
    policy = container.annotations.get(MESSAGE_POLICY_ANNOTATION, "File")
    if not text and policy == "FallbackToLogsOnError" and container.exit_code != 0:
        return _log(container.log_path)
    return text


def _file(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, "rb") as file:
            return file.read(LONGEST).decode("utf-8", "replace")
    except OSError:
        return ""


def _log(path: str) -> str:
    """The last lines of a log in the runtime's format: time, stream, tag, text."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - 64 * LOG_BYTES, 0))
            lines = file.read().splitlines()
    except OSError:
        return ""
    texts = []
    for line in lines[-LOG_LINES:]:
        parts = line.split(b" ", 3)
        if len(parts) == 4:
            texts.append(parts[3] + (b"\n" if parts[2] == b"F" else b""))
    return b"".join(texts)[-LOG_BYTES:].decode("utf-8", "replace")


def prepare(folder: Path, name: str) -> str:
    """An empty file for a container to write to, whoever it runs as."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    target.write_bytes(b"")
    os.chmod(target, 0o666)
    return str(target)
