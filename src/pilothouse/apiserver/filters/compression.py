"""Gzip for large answers, where the client takes it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence
from dataclasses import replace

from pilothouse.kit.http.messages import Request, Response

SMALLEST = 128 * 1024
# The fastest level: JSON of one kind shrinks well even so.
LEVEL = 1
BLOCK = 256 * 1024


async def compressed(request: Request, answer: Response) -> Response:
    """`answer`, compressed if it is large, at hand as a whole, and wanted so."""
    body = answer.body
    if any(name == b"content-encoding" for name, _ in answer.headers):
        return answer
    if isinstance(body, bytes):
        chunks: Sequence[bytes] = (body,)
    elif isinstance(body, list | tuple):
        chunks = body
    else:
        return answer
    if sum(map(len, chunks)) < SMALLEST or not accepts(request.header(b"accept-encoding")):
        return answer
    # In a thread: zlib lets the loop go on meanwhile, and a long list takes it for longer than a callback may.
    packed = await asyncio.get_running_loop().run_in_executor(None, _packed, chunks)
    headers = (*answer.headers, (b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))
    return replace(answer, body=packed, headers=headers)


def _packed(chunks: Sequence[bytes]) -> list[bytes]:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    packed, waiting, size = [], [], 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= BLOCK:
            packed.append(packer.compress(b"".join(waiting)))
            waiting, size = [], 0
    packed.append(packer.compress(b"".join(waiting)))
    packed.append(packer.flush())
    return [piece for piece in packed if piece]


def accepts(header: bytes | None) -> bool:
    if not header:
        return False
    for part in header.split(b","):
        name, _, parameters = part.strip().partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return parameters.replace(b" ", b"") not in (b"q=0", b"q=0.0")
    return False
