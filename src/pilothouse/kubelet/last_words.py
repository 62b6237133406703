"""Termination messages: what an ended container left in its file, or at the end of its log. Blocking."""

from __future__ import annotations

import os
from pathlib import Path

from pilothouse.kubelet import log_files
from pilothouse.kubelet.configs import MESSAGE_FILE_ANNOTATION, MESSAGE_POLICY_ANNOTATION
from pilothouse.kubelet.safepath import files
from pilothouse.seams.runtime import Container

LONGEST = 4096
LOG_BYTES, LOG_LINES = 2048, 80
FOLDER = "containers"


def last_words(container: Container, pods: Path) -> str:
    """The message, "" if there is none. `pods` is the folder that all pods' folders are in."""
    text = _file(container.annotations.get(MESSAGE_FILE_ANNOTATION, ""), pods)
    policy = container.annotations.get(MESSAGE_POLICY_ANNOTATION, "File")
    if not text and policy == "FallbackToLogsOnError" and container.exit_code != 0:
        return _log(container.log_path)
    return text


def _file(path: str, pods: Path) -> str:
    try:
        below = str(Path(path).relative_to(pods))
        with files.folder(pods) as top:
            return files.read(top, below, LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _log(path: str) -> str:
    """The last lines of a log in the runtime's format: time, stream, tag, text."""
    if not path:
        return ""
    try:
        with log_files.opened(Path(path)) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - 64 * LOG_BYTES, 0))
            lines = file.read(64 * LOG_BYTES).splitlines()
    except OSError:
        return ""
    texts = []
    for line in lines[-LOG_LINES:]:
        parts = line.split(b" ", 3)
        if len(parts) == 4:
            texts.append(parts[3] + (b"\n" if parts[2] == b"F" else b""))
    return b"".join(texts)[-LOG_BYTES:].decode("utf-8", "replace")


def prepare(pod_folder: Path, container: str, attempt: int) -> str:
    """An empty file for a container to write to, whoever it runs as."""
    below, name = f"{FOLDER}/{container}", str(attempt)
    with files.folder(pod_folder, below, make=0o750) as folder:
        files.write(folder, name, b"", 0o666)
    return str(pod_folder / below / name)
