"""A small HTTP client that shares nothing with the product: it must not hide what it does wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

from tests.torture.wire import dial

Lost = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
"""What a connection ends with when its server is gone."""


class Client:
    """One connection, opened when it is needed and again after it was lost."""

    def __init__(self, port: int, context: ssl.SSLContext, token: str = "") -> None:
        self._port, self._context = port, context
        self._credentials = f"Authorization: Bearer {token}\r\n" if token else ""
        self._open: tuple[asyncio.StreamReader, asyncio.Transport] | None = None

    async def send(self, verb: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        """The status, headers and JSON (or text) of an answer. Raises one of Lost: nobody knows what came of it."""
        try:
            reader, writer = await self._connection()
            self._write(writer, verb, path, body)
            status, headers = await _head(reader)
            data = await _body(reader, headers)
        except BaseException:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        try:
            return status, headers, json.loads(data)
        except ValueError:
            return status, headers, data.decode(errors="replace")

    async def skim(self, path: str) -> tuple[int, dict[str, str]]:
        """GET, with the body read and dropped: the status and headers. Raises one of Lost."""
        try:
            reader, writer = await self._connection()
            self._write(writer, "GET", path, None)
            status, headers = await _head(reader)
            await _body(reader, headers)
        except BaseException:
            self.close()
            raise
        return status, headers

    async def watch(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch, until it ends. Raises one of Lost."""
        try:
            reader, writer = await self._connection()
            self._write(writer, "GET", path, None)
            status, headers = await _head(reader)
            if status != 200:
                raise AssertionError(f"{status} {await _body(reader, headers)!r}")
            line = b""
            while size := int(await reader.readline() or b"0", 16):
                line += (await reader.readexactly(size + 2))[:-2]
                *whole, line = line.split(b"\n")
                for event in whole:
                    yield json.loads(event)
        finally:
            self.close()

    def close(self) -> None:
        if self._open is not None:
            self._open[1].abort()
            self._open = None

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.Transport]:
        if self._open is None:
            self._open = await dial(self._port, self._context)
        return self._open

    def _write(self, writer: asyncio.Transport, verb: str, path: str, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{verb} {path} HTTP/1.1\r\nHost: a\r\n{self._credentials}Content-Length: {len(data)}\r\n"
        kind = "application/merge-patch+json" if verb == "PATCH" else "application/json"
        writer.write(f"{head}Content-Type: {kind}\r\n\r\n".encode() + data)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split()[1]), headers


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    with contextlib.suppress(*Lost):
        await reader.readuntil(b"\r\n")
    return b"".join(pieces)
