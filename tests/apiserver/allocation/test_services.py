"""Services through the whole server: addresses are IPAddress objects, never given out twice, given back."""

import asyncio

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import IPAddress
from tests.apiserver.servers import running


def service(name: str, **spec: object) -> Service:
    ports = (ServicePort(port=80),)
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=ServiceSpec(ports=ports, **spec))


async def test_an_address_is_an_object_and_goes_with_its_service():
    async with running() as (_server, client):
        made = await client.create(service("a"))
        held = await client.get(IPAddress, made.spec.cluster_ip)
        assert held.spec.parent_ref.name == "a"
        await client.delete(Service, "a", "default")
        with pytest.raises(StatusError):
            await client.get(IPAddress, made.spec.cluster_ip)


async def test_a_taken_address_is_refused_and_nothing_is_kept():
    async with running() as (_server, client):
        made = await client.create(service("a"))
        with pytest.raises(StatusError, match="provided IP is already allocated"):
            await client.create(service("b", cluster_ip=made.spec.cluster_ip))
        bad = service("c", session_affinity="Bad")
        before = len((await client.list(IPAddress)).items)
        with pytest.raises(StatusError, match="Unsupported value"):
            await client.create(bad)
        await asyncio.sleep(0)
        assert len((await client.list(IPAddress)).items) == before


async def test_node_ports_are_distinct_and_come_back():
    async with running() as (_server, client):
        made = await client.create(service("a", type="NodePort"))
        port = made.spec.ports[0].node_port
        assert 30000 <= port <= 32767
        taken = ServiceSpec(type="NodePort", ports=(ServicePort(port=80, node_port=port),))
        other = Service(metadata=ObjectMeta(name="b", namespace="default"), spec=taken)
        with pytest.raises(StatusError, match="provided port is already allocated"):
            await client.create(other)
        await client.delete(Service, "a", "default")
        assert (await client.create(other)).spec.ports[0].node_port == port
