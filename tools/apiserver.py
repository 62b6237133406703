"""The API server alone, for work on it: `python tools/apiserver.py --port 6443 [--sqlite FILE] [--plain]`.

Serves on the loopback with a token `T` of system:masters. Nothing else of a cluster runs, except that every namespace
gets its `default` ServiceAccount.
"""

from __future__ import annotations

import argparse
import pathlib
import ssl

import uvloop

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
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Store
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore


def with_default_accounts(server: ApiServer, scope: TaskScope) -> None:
    client = server.client(MASTER)

    async def give(namespace: str) -> None:
        try:
            await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace=namespace)))
        except StatusError as error:
            if error.reason != "AlreadyExists":
                print(f"default account of {namespace}: {error}")

    def seen(before: Namespace | None, after: Namespace | None) -> None:
        if before is None and after is not None:
            scope.spawn(give(after.metadata.name), "account")

    server.reader.observe(Namespace, seen)


async def main(arguments: argparse.Namespace) -> None:
    clock, chance = SystemClock(), Chance()
    store: Store = MemoryStore()
    if arguments.sqlite:
        store = await SQLiteStore.open(pathlib.Path(arguments.sqlite))
    signer = jwt.Signer(tls.new_key())
    master = UserInfo(username="admin", groups=("system:masters",))
    settings = Settings(keys=(signer.key,), static_tokens={"T": master})
    async with TaskScope("dev") as scope:
        server = assemble(Parts(store=store, clock=clock, chance=chance, authn=settings, signer=signer))
        await server.start()
        with_default_accounts(server, scope)
        http = Server(server.handle, clock)
        context = None if arguments.plain else tls_context(clock.now())
        print(await http.listen("127.0.0.1", arguments.port, context), flush=True)
        await scope.wait_failed()


def tls_context(now: float) -> ssl.SSLContext:
    authority = tls.new_authority("dev", now=now)
    return tls.server_context(authority.issue_server("apiserver", ["127.0.0.1", "localhost"], now=now))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=6443)
    parser.add_argument("--sqlite", default="")
    parser.add_argument("--plain", action="store_true", help="no TLS")
    uvloop.run(main(parser.parse_args()))
