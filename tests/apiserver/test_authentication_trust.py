"""Whom extension API servers are told to trust."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.bootstrap.authentication_trust import CLIENTS, NAME, NAMESPACE, merged
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.store.memory import MemoryStore
from tests.apiserver.customresources.test_registry import until
from tests.apiserver.servers import signer


def authority(name: str, *, lifetime: float = 3600) -> str:
    return tls.new_authority(name, now=SystemClock().now(), lifetime=lifetime).certificate.decode()


def test_authorities_are_added_and_expire() -> None:
    now = SystemClock().now()
    one, other, short = authority("one"), authority("other"), authority("short", lifetime=10)
    assert merged("", one, now) == one
    assert merged(other, one, now) == other + one
    assert merged(other + one, one, now) == other + one
    assert merged(short + other, one, now + 60) == other + one
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert merged("nonsense" + broken, one, now) == one


async def test_the_config_map_is_kept() -> None:
    own, other = authority("own"), authority("other")
    parts = Parts(
        store=MemoryStore(),
        clock=SystemClock(),
        chance=Chance(7),
        authn=Settings(keys=(signer().key,)),
        signer=signer(),
        client_authorities=own.encode(),
    )
    server = assemble(parts)
    await server.start()
    try:
        client = server.client(MASTER)
        held = await client.get(ConfigMap, NAME, NAMESPACE)
        assert held.data == {CLIENTS: own}
        await client.update(replace(held, data={CLIENTS: other, "requestheader-allowed-names": "[]"}))

        def mended() -> bool:
            found = server.reader.get(ConfigMap, NAME, NAMESPACE)
            return found is not None and found.data[CLIENTS] == other + own

        await until(mended)
        found = await client.get(ConfigMap, NAME, NAMESPACE)
        assert found.data["requestheader-allowed-names"] == "[]"
        await client.delete(ConfigMap, NAME, NAMESPACE)
        await until(lambda: server.reader.get(ConfigMap, NAME, NAMESPACE) is not None)
    finally:
        await server.close()
