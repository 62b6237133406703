"""The node's own logs, /logs/: the folder /var/log as Go's file server shows it. Blocking but for what it streams.

Links are followed as long as they stay in that folder, as those in `containers` do.
"""

from __future__ import annotations

import html
import mimetypes
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, Response
from pilothouse.kubelet.safepath import descriptors

PIECE = 64 * 1024
PLAIN = b"text/plain; charset=utf-8"
HEAD = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n'


def answer(root: Path | None, path: str, clock: Clock) -> Answer:
    """What is at `path`, which begins with a slash, below the folder `root`."""
    if root is None:
        return _missing()
    inside = path.strip("/")
    try:
        found = descriptors.open_inside(str(root), inside)
    except PermissionError:
        return Response(403, b"403 Forbidden\n", PLAIN)
    except OSError:
        return _missing()
    with descriptors.closing(found):
        mode = os.fstat(found).st_mode
        name = path.rstrip("/").rpartition("/")[2]
        if stat.S_ISDIR(mode):
            return _folder(found) if path.endswith("/") else _elsewhere(f"{name}/")
        if path.endswith("/"):
            return _elsewhere(f"../{name}")
        # A pipe or a device is nobody's log.
        return _file(found, name, clock) if stat.S_ISREG(mode) else _missing()


def _missing() -> Response:
    return Response(404, b"404 page not found\n", PLAIN)


def _elsewhere(location: str) -> Response:
    return Response(301, b"", b"", [(b"Location", quote(location, safe="/.").encode())])


def _folder(descriptor: int) -> Response:
    with descriptors.closing(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | descriptors.O_DIRECTORY)) as opened:
        entries = sorted(
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in os.scandir(opened)
        )
    lines = [f'<a href="{quote(name, safe="/")}">{html.escape(name)}</a>\n' for name in entries]
    return Response(200, (HEAD + "".join(lines) + "</pre>\n").encode("utf-8", "replace"), b"text/html; charset=utf-8")


def _file(descriptor: int, name: str, clock: Clock) -> Response:
    opened = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | descriptors.O_CLOEXEC)
    size = os.fstat(opened).st_size

    async def pieces() -> AsyncIterator[bytes]:
        left = size
        with os.fdopen(opened, "rb") as file:
            while left > 0 and (data := file.read(min(PIECE, left))):
                left -= len(data)
                yield data
                await clock.sleep(0)

    kind = mimetypes.guess_type(name)[0] or "text/plain"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return Response(200, pieces(), kind.encode())
