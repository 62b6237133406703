"""Connections to an API server: a pool, an identity, time limits on everything, watches decoded as they arrive.

Answers 429 and 5xx that carry Retry-After are tried again, as the server asks. Whatever else goes wrong is told:
StatusError if the server said so, TransportError if it could not be reached or broke off.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import aiohttp
import msgspec
from msgspec import Struct

from pilothouse.api import errors
from pilothouse.api.codec import json
from pilothouse.api.object import Object
from pilothouse.api.types.meta.v1 import Status
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import wire
from pilothouse.machinery.client.access import Access, Credentials
from pilothouse.machinery.client.failures import in_words
from pilothouse.machinery.client.interface import TransportError, WatchEvent

K = TypeVar("K", bound=Object)
A = TypeVar("A", bound=Struct)

REQUEST_SECONDS = 60.0
CONNECT_SECONDS = 10.0
WATCH_MARGIN = 30.0
TRIES = 10
MAX_LINE = 64 * 1024 * 1024


class Frame(Struct):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


_frames = msgspec.json.Decoder(Frame)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer whose body comes in pieces."""

    code: int
    headers: Mapping[str, str]
    content: AsyncIterator[bytes]


def _socket(address: Any) -> socket.socket:
    # A peer that vanished without a word must be noticed on connections that only listen (watches).
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return made


class Connection:
    """Requests to one server with one identity. `async with` it, or call `close`."""

    def __init__(self, access: Access, clock: Clock, *, user_agent: str = "pilothouse", limit: int = 100) -> None:
        self.access = access
        self._credentials = Credentials(access)
        self._clock = clock
        self._user_agent = user_agent
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None

    def _pool(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the loop that runs then.
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._limit, socket_factory=_socket, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(
                connector=connector, auto_decompress=True, headers={"User-Agent": self._user_agent}
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextlib.asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = REQUEST_SECONDS,
    ) -> AsyncIterator[RawAnswer]:
        """Send one request and yield its answer while it comes in; error answers raise. None `seconds` sets no limit on
        the whole, the limits on connecting and on dead peers stay."""
        sent = {"Accept": wire.JSON, **(headers or {})}
        if token := self._credentials.token():
            sent["Authorization"] = f"Bearer {token}"
        context = self._credentials.context()
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS, connect=CONNECT_SECONDS * 2)
        try:
            async with self._pool().request(
                method,
                self.access.base + path,
                params=query or None,
                data=body,
                headers=sent,
                ssl=True if context is None else context,
                server_hostname=self.access.server_name or None,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                if answer.status >= 400:
                    raise wire.error_of(answer.status, await answer.read(), answer.headers)
                yield RawAnswer(answer.status, answer.headers, answer.content.iter_any())
        except aiohttp.ClientError as error:
            raise TransportError(f"{method} {self.access.base}{path}: {in_words(error)}") from error
        except TimeoutError as error:
            raise TransportError(f"{method} {self.access.base}{path}: no answer in {seconds or 0:g} s") from error

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The whole answer to a request; tried again as long as the server asks for it."""
        for left in reversed(range(TRIES)):
            try:
                async with self.open(method, path, query=query, body=body, headers=headers) as answer:
                    return b"".join([piece async for piece in answer.content])
            except errors.StatusError as error:
                details = error.status.details
                after = details.retry_after_seconds if details is not None else 0
                if not left or not after or (error.code != 429 and error.code < 500):
                    raise
                await self._clock.sleep(after)
        raise AssertionError("unreachable")


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The non-empty lines of a stream. Raises TransportError on an endless one."""
    held = bytearray()
    async for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            held += piece[start:end]
            start = end + 1
            if held:
                yield bytes(held)
                held.clear()
        held += piece[start:]
        if len(held) > MAX_LINE:
            raise TransportError("a watch sent a line without end")


def decoded(data: bytes, kind: type[A]) -> A:
    """`data` as `kind`; what is not raises TransportError, for then we did not reach an API server."""
    try:
        return json.decode(data, kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise TransportError(f"the answer is no {kind.__name__}: {error}") from error


async def watch_events(
    connection: Connection, path: str, query: dict[str, str], kind: type[K], accept: str = wire.JSON
) -> AsyncIterator[WatchEvent[K]]:
    """The events of one watch request. An ERROR event raises its StatusError."""
    seconds = float(query["timeoutSeconds"]) + WATCH_MARGIN
    async with connection.open("GET", path, query=query, headers={"Accept": accept}, seconds=seconds) as answer:
        async for line in lines(answer.content):
            frame = decoded(line, Frame)
            if frame.type == "ERROR":
                raise errors.StatusError(decoded(bytes(frame.object), Status))
            found = decoded(bytes(frame.object), cast(Any, kind))
            yield WatchEvent(cast(Any, frame.type), found)


def list_query(
    label_selector: str, field_selector: str, limit: int, continue_token: str, resource_version: str
) -> dict[str, str]:
    found = {
        "labelSelector": label_selector,
        "fieldSelector": field_selector,
        "limit": str(limit) if limit else "",
        "continue": continue_token,
        "resourceVersion": "" if continue_token else resource_version,
    }
    return {name: value for name, value in found.items() if value}


async def wait_reachable(connection: Connection, seconds: float, clock: Clock) -> None:
    """Return when the server says it is ready. Raises TransportError after `seconds`."""
    last = "it was not asked"
    try:
        async with clock.timeout(seconds):
            while True:
                try:
                    await connection.request("GET", "/readyz")
                    return
                except (errors.StatusError, TransportError) as error:
                    last = str(error)
                await clock.sleep(0.05)
    except TimeoutError:
        raise TransportError(f"the API server was not ready in {seconds:g} s: {last}") from None
