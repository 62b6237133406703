"""The client in the process and the HTTPS client keep the contract, on the real API server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Namespace, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.apiserver.server import ApiServer
from pilothouse.kit import jwt, tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.server import Server
from pilothouse.kit.random import Chance
from pilothouse.machinery.client import Client
from pilothouse.machinery.client.access import Access
from pilothouse.machinery.client.connection import Connection
from pilothouse.machinery.client.https import HTTPSClient
from pilothouse.store.memory import MemoryStore
from tests.contracts.client.contract import ClientContract

ADMIN = UserInfo(username="admin", groups=("system:masters", "system:authenticated"))


async def ready(client: Client) -> None:
    for obj in (
        Namespace(metadata=ObjectMeta(name="default")),
        ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")),
    ):
        with contextlib.suppress(StatusError):
            await client.create(obj)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ApiServer]:
    signer = jwt.Signer(tls.new_key())
    settings = Settings(keys=(signer.key,), static_tokens={"T": ADMIN})
    parts = Parts(store=MemoryStore(), clock=SystemClock(), chance=Chance(), authn=settings, signer=signer)
    held = assemble(parts)
    await held.start()
    await ready(held.client(MASTER))
    yield held
    await held.close()


class TestLocalClient(ClientContract):
    @pytest.fixture
    def client(self, server: ApiServer) -> Client:
        return server.client(ADMIN)


class TestHTTPSClient(ClientContract):
    @pytest_asyncio.fixture
    async def client(self, server: ApiServer) -> AsyncIterator[Client]:
        clock = SystemClock()
        authority = tls.new_authority("test", now=clock.now())
        pair = authority.issue_server("apiserver", ["127.0.0.1"], now=clock.now())
        http = Server(server.handle, clock)
        _, port = await http.listen("127.0.0.1", 0, tls.server_context(pair))
        access = Access(f"https://127.0.0.1:{port}", authority=authority.certificate, token="T")
        async with HTTPSClient(Connection(access, clock)) as client:
            yield client
        await http.close()
