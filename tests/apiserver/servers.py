"""A whole API server in the test's process, on virtual time and a memory store."""

import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.apiserver.server import ApiServer
from pilothouse.kit import jwt, tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.client import ClientRequest, dial, exchange
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client
from pilothouse.seams.store import Store
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.http import serving

ADMIN = UserInfo(username="admin", groups=("system:masters",))


@functools.cache
def signer() -> jwt.Signer:
    return jwt.Signer(tls.new_key())


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[ApiServer, Client]]:
    """A started server and a client of its own identity."""
    settings = Settings(keys=(signer().key,), static_tokens={"T": ADMIN})
    parts = Parts(store=MemoryStore(), clock=SystemClock(), chance=Chance(7), authn=settings, signer=signer())
    server = assemble(parts)
    await server.start()
    try:
        yield server, server.client(MASTER)
    finally:
        await server.close()


@dataclass
class Answered:
    """What came over the wire; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.asynccontextmanager
async def on_virtual_time(clock: VirtualClock, store: Store) -> AsyncIterator[tuple[ApiServer, Client]]:
    """A started server over `store`, and a client of its own identity."""
    settings = Settings(keys=(signer().key,), static_tokens={"T": ADMIN})
    server = assemble(Parts(store=store, clock=clock, chance=Chance(7), authn=settings, signer=signer()))
    await server.start()
    try:
        yield server, server.client(MASTER)
    finally:
        await server.close()


Ask = Callable[..., Awaitable[Answered]]


@contextlib.asynccontextmanager
async def asked() -> AsyncIterator[Ask]:
    """`ask(path, Header="value", method="GET", body=b"")` of a started server, as an administrator."""
    async with running() as (server, _), serving(server.handle) as served:

        async def ask(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answered:
            stream = await dial("127.0.0.1", served.port, clock=SystemClock())
            sent = [(b"Host", b"api"), (b"Authorization", b"Bearer T")]
            sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
            async with exchange(stream, ClientRequest(method, path.encode(), sent, body)) as response:
                found = {name.decode().lower(): value.decode() for name, value in response.headers}
                return Answered(response.status, found, await response.read(10_000_000))

        yield ask
