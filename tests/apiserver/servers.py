"""A whole API server in the test's process, on virtual time and a memory store."""

import contextlib
import functools
from collections.abc import AsyncIterator

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.server import MASTER, ApiServer, Parts
from pilothouse.kit import jwt, tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client
from pilothouse.store.memory import MemoryStore

ADMIN = UserInfo(username="admin", groups=("system:masters",))


@functools.cache
def signer() -> jwt.Signer:
    return jwt.Signer(tls.new_key())


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[tuple[ApiServer, Client]]:
    """A started server and a client of its own identity."""
    settings = Settings(keys=(signer().key,), static_tokens={"T": ADMIN})
    parts = Parts(store=MemoryStore(), clock=SystemClock(), chance=Chance(7), authn=settings, signer=signer())
    server = ApiServer(parts)
    await server.start()
    try:
        yield server, server.client(MASTER)
    finally:
        await server.close()
