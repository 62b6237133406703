"""Services through the whole server: addresses are IPAddress objects, never given out twice, given back."""

import asyncio

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import IPAddress, IPAddressSpec
from pilothouse.apiserver.allocation import repair
from pilothouse.apiserver.allocation.addresses import MANAGED_BY, MANAGER, parent_of
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


async def test_an_address_whose_object_was_deleted_is_still_taken_and_comes_back():
    async with running() as (server, client):
        made = await client.create(service("a"))
        ip = made.spec.cluster_ip
        await client.delete(IPAddress, ip)
        with pytest.raises(StatusError, match="provided IP is already allocated"):
            await client.create(service("b", cluster_ip=ip))
        back = asyncio.Event()
        server.reader.observe(
            IPAddress, lambda before, after: back.set() if after and after.metadata.name == ip else None
        )
        await asyncio.wait_for(back.wait(), 5)
        assert (await client.get(IPAddress, ip)).spec.parent_ref.name == "a"


async def test_an_address_without_a_service_is_given_back_once_it_is_old():
    async with running() as (server, client):
        lost = IPAddress(
            metadata=ObjectMeta(name="10.96.9.9", labels={MANAGED_BY: MANAGER}),
            spec=IPAddressSpec(parent_ref=parent_of("default", "gone")),
        )
        await client.create(lost)
        now = server.parts.clock.now()
        await repair.repair(server.reader, client, now)
        assert (await client.get(IPAddress, "10.96.9.9")).metadata.name == "10.96.9.9"
        await repair.repair(server.reader, client, now + 2 * repair.GRACE)
        with pytest.raises(StatusError):
            await client.get(IPAddress, "10.96.9.9")


async def test_what_is_made_at_once_shares_nothing():
    async with running() as (_server, client):
        made = await asyncio.gather(*(client.create(service(f"s{i}", type="NodePort")) for i in range(60)))
        assert len({s.spec.cluster_ip for s in made}) == 60
        assert len({s.spec.ports[0].node_port for s in made}) == 60
        wanted = made[0].spec.cluster_ip
        await client.delete(Service, "s0", "default")
        again = await asyncio.gather(
            *(client.create(service(f"t{i}", cluster_ip=wanted)) for i in range(8)), return_exceptions=True
        )
        assert sum(isinstance(found, Service) for found in again) == 1


async def test_a_type_without_addresses_gives_them_back():
    async with running() as (_server, client):
        made = await client.create(service("a", type="NodePort"))
        spec = ServiceSpec(type="ExternalName", external_name="a.example.com")
        meta = ObjectMeta(name="a", namespace="default", resource_version=made.metadata.resource_version)
        await client.update(Service(metadata=meta, spec=spec))
        await asyncio.sleep(0)
        ports = (ServicePort(port=1, node_port=made.spec.ports[0].node_port),)
        taking = ServiceSpec(type="NodePort", cluster_ip=made.spec.cluster_ip, ports=ports)
        again = await client.create(Service(metadata=ObjectMeta(name="b", namespace="default"), spec=taking))
        assert again.spec.cluster_ip == made.spec.cluster_ip
