"""Endpoints, EndpointSlices and their mirror."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import (
    Container,
    ContainerPort,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.endpoints import packing, slices
from pilothouse.controllers.pod_control import with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import world

LABELS = {"app": "web"}
NAMES = ("endpointslice-controller", "endpoints-controller", "endpointslice-mirroring-controller")


def service(target: int | str = "http", **spec: object) -> Service:
    return Service(
        metadata=ObjectMeta(name="web", namespace="ns", uid="s"),
        spec=ServiceSpec(
            selector=LABELS,
            ports=(ServicePort(name="main", port=80, protocol="TCP", target_port=target),),
            cluster_ip="10.96.0.9",
            ip_families=("IPv4",),
            **spec,  # type: ignore[arg-type]
        ),
    )


def pod(number: int, port: int = 8080, ready: bool = True) -> Pod:
    condition = PodCondition(type="Ready", status="True" if ready else "False")
    container = Container(name="c", image="i", ports=(ContainerPort(name="http", container_port=port),))
    return Pod(
        metadata=ObjectMeta(name=f"p{number}", namespace="ns", uid=f"u{number}", labels=LABELS),
        spec=PodSpec(containers=(container,), node_name="n"),
        status=PodStatus(phase="Running", pod_ip=f"10.0.0.{number}", conditions=(condition,)),
    )


async def test_service_follows_its_pods(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(service())
        await w.rest()
        (empty,) = await w.all(EndpointSlice)
        assert not empty.endpoints
        assert empty.metadata.labels == {
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        await w.put(pod(1))
        await w.put(pod(2, ready=False))
        await w.put(pod(3, port=9090))
        await w.rest()
        found = {s.ports[0].port: s.endpoints for s in await w.all(EndpointSlice) if s.ports}
        told = {e.addresses: (e.conditions.ready, e.conditions.serving) for e in found[8080] or ()}
        assert told == {("10.0.0.1",): (True, True), ("10.0.0.2",): (False, False)}
        assert [e.addresses for e in found[9090] or ()] == [("10.0.0.3",)]
        (old,) = await w.all(Endpoints)
        assert [([a.ip for a in s.addresses], [a.ip for a in s.not_ready_addresses]) for s in old.subsets] == [
            (["10.0.0.1"], ["10.0.0.2"]),
            (["10.0.0.3"], []),
        ]
        await w.client.delete(Pod, "p1", "ns")
        await w.rest()
        ending = [e for s in await w.all(EndpointSlice) for e in s.endpoints or () if e.conditions.terminating]
        assert [(e.conditions.ready, e.conditions.serving) for e in ending] == [(False, True)]
        held = await w.client.get(Service, "web", "ns")
        await w.client.update(with_spec(held, selector={"app": "none"}))
        await w.rest()
        (last,) = await w.all(EndpointSlice)
        assert not last.endpoints
        assert (await w.all(Endpoints))[0].subsets == ()
        await w.client.delete(Service, "web", "ns")
        await w.rest()
        assert not await w.all(Endpoints)


async def test_hand_made_endpoints_are_mirrored(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        plain = with_spec(service(), selector={})
        await w.client.create(plain)
        subset = EndpointSubset(
            addresses=(EndpointAddress(ip="1.2.3.4"), EndpointAddress(ip="fd00::1")),
            ports=(EndpointPort(name="main", port=80, protocol="TCP"),),
        )
        await w.client.create(Endpoints(metadata=ObjectMeta(name="web", namespace="ns"), subsets=(subset,)))
        await w.rest()
        found = await w.all(EndpointSlice)
        assert {(s.address_type, (s.endpoints or ())[0].addresses) for s in found} == {
            ("IPv4", ("1.2.3.4",)),
            ("IPv6", ("fd00::1",)),
        }
        await w.client.delete(Endpoints, "web", "ns")
        await w.rest()
        assert not await w.all(EndpointSlice)


def test_packing_writes_little() -> None:
    """250 pods make three slices; one changed pod rewrites one; a newcomer goes where there is room."""
    owner = service(8080)
    pods = [pod(n) for n in range(250)]
    first = slices.decide(owner, pods, [], lambda node: "")
    assert [len(s.endpoints or ()) for s in first.create] == [100, 100, 50]
    held = [packing.replace(s, metadata=packing.replace(s.metadata, name=f"s{i}")) for i, s in enumerate(first.create)]
    assert slices.decide(owner, pods, held, lambda node: "") == packing.Writes()
    pods[120] = pod(120, ready=False)
    changed = slices.decide(owner, pods, held, lambda node: "")
    assert [s.metadata.name for s in changed.update] == ["s1"]
    more = slices.decide(owner, [*pods[:120], *pods[121:], pod(251)], held, lambda node: "")
    assert [s.metadata.name for s in more.update] == ["s1"]
    assert not more.create
    assert not more.delete
