"""Whether APIServices are available, and why not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pilothouse.api.types.apiregistration.v1 import APIService, APIServiceSpec, ServiceReference
from pilothouse.api.types.core.v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.aggregation.availability import NOT_PASSED_ON, SERVICE_OF_SLICE, decide
from pilothouse.machinery.client import Client, MergePatch
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from tests.apiserver.servers import on_virtual_time

NAME = "v1.g.example.com"
SPEC = APIServiceSpec(group="g.example.com", version="v1", group_priority_minimum=1, version_priority=1)
REMOTE = replace(
    SPEC, service=ServiceReference(namespace="default", name="backend", port=443), insecure_skip_tls_verify=True
)


def service(port: int = 443, kind: str = "ClusterIP") -> Service:
    ports = (ServicePort(name="https", port=port, protocol="TCP"),)
    return Service(metadata=ObjectMeta(name="backend", namespace="default"), spec=ServiceSpec(type=kind, ports=ports))


def endpoints(port: str | None = "https", ready: bool | None = True, number: int | None = 8443) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name="backend-1", namespace="default", labels={SERVICE_OF_SLICE: "backend"}),
        address_type="IPv4",
        endpoints=(Endpoint(addresses=("10.1.2.3",), conditions=EndpointConditions(ready=ready)),),
        ports=(EndpointPort(name=port, port=number, protocol="TCP"),),
    )


WHERE = 'service/backend in "default"'
MISSING = f'endpointslices for {WHERE} have no addresses with port name "https"'


@pytest.mark.parametrize(
    ("spec", "found", "slices", "reason", "message"),
    [
        (REMOTE, None, [], "ServiceNotFound", f"{WHERE} is not present"),
        (REMOTE, service(80), [endpoints()], "ServicePortError", f"{WHERE} is not listening on port 443"),
        (REMOTE, service(), [], "EndpointsNotFound", f"cannot find endpointslices for {WHERE}"),
        (REMOTE, service(), [endpoints(ready=False)], "MissingEndpoints", MISSING),
        (REMOTE, service(), [endpoints("http")], "MissingEndpoints", MISSING),
        (REMOTE, service(), [endpoints(None)], "MissingEndpoints", MISSING),
        (REMOTE, service(), [endpoints(number=None)], "MissingEndpoints", MISSING),
        (REMOTE, service(), [replace(endpoints(), endpoints=())], "MissingEndpoints", MISSING),
        (REMOTE, service(), [endpoints("http"), endpoints(ready=None)], "FailedDiscoveryCheck", NOT_PASSED_ON),
        (REMOTE, service(80, "ExternalName"), [], "FailedDiscoveryCheck", NOT_PASSED_ON),
        (SPEC, None, [], "Local", "Local APIServices are always available"),
    ],
)
def test_the_first_check_that_fails_is_told(
    spec: APIServiceSpec, found: Service | None, slices: list[EndpointSlice], reason: str, message: str
) -> None:
    told = decide(APIService(metadata=ObjectMeta(name=NAME), spec=spec), found, slices)
    assert told == ("True" if reason == "Local" else "False", reason, message)


async def available(client: Client, clock: VirtualClock) -> tuple[str, str, str | None]:
    await clock.sleep(1)
    held = await client.get(APIService, NAME)
    (condition,) = held.status.conditions
    return condition.status, condition.reason, condition.last_transition_time


async def test_the_condition_follows_the_service_and_its_endpoints(clock: VirtualClock) -> None:
    async with on_virtual_time(clock, MemoryStore()) as (server, client):
        await client.create(APIService(metadata=ObjectMeta(name=NAME), spec=SPEC))
        assert (await available(client, clock))[:2] == ("True", "Local")
        remote = {"service": {"namespace": "default", "name": "backend", "port": 443}, "insecureSkipTLSVerify": True}
        await client.patch(APIService, NAME, "", MergePatch({"spec": remote}))
        status, reason, since = await available(client, clock)
        assert (status, reason) == ("False", "ServiceNotFound")
        await client.create(service())
        assert await available(client, clock) == ("False", "EndpointsNotFound", since)
        await client.create(endpoints())
        assert await available(client, clock) == ("False", "FailedDiscoveryCheck", since)
        await client.delete(EndpointSlice, "backend-1", "default")
        assert await available(client, clock) == ("False", "EndpointsNotFound", since)
        version = (await client.get(APIService, NAME)).metadata.resource_version
        await clock.sleep(60)
        assert (await client.get(APIService, NAME)).metadata.resource_version == version
        text = server.parts.metrics.text()
        assert f'aggregator_unavailable_apiservice{{name="{NAME}"}} 1' in text
        assert f'aggregator_unavailable_apiservice_total{{name="{NAME}",reason="ServiceNotFound"}} 1' in text
        await client.patch(APIService, NAME, "", MergePatch({"spec": {"service": None, "insecureSkipTLSVerify": None}}))
        assert (await available(client, clock))[:2] == ("True", "Local")
        await client.delete(APIService, NAME, "")
        await client.delete(Service, "backend", "default")
        await clock.sleep(1)
        assert "aggregator_unavailable_apiservice{" not in server.parts.metrics.text()
