"""Endpoints, EndpointSlices and their mirror."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core.v1 import (
    Container,
    ContainerPort,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    Secret,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.endpoints import packing, slices, triggers
from pilothouse.controllers.pod_control import with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import world

LABELS = {"app": "web"}
replace = msgspec.structs.replace
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


TRIGGER = triggers.ANNOTATION


def ready_since(stamp: str, number: int = 1, ready: str = "True") -> Pod:
    condition = PodCondition(type="Ready", status=ready, last_transition_time=stamp)
    made = pod(number)
    return replace(made, status=replace(made.status, conditions=(condition,)))


def test_when_a_change_came_about() -> None:
    owner = service()
    owner = replace(owner, metadata=replace(owner.metadata, creation_timestamp="2026-01-01T00:00:05Z"))
    tracker = triggers.Triggers()
    early, late, later = (f"2026-01-01T00:00:{n}Z" for n in ("03", "10", "20"))
    assert tracker.since(owner, [ready_since(early)]) == "2026-01-01T00:00:05Z", "new here: when it was made"
    assert tracker.since(owner, [ready_since(early)]) == ""
    assert tracker.since(owner, [ready_since(later), ready_since(late, 2)]) == late, "the earliest of what changed"
    assert tracker.since(owner, [ready_since(later)]) == ""
    tracker.forget(("ns", "web"))
    assert tracker.since(owner, []) == "2026-01-01T00:00:05Z"


async def test_slices_and_endpoints_say_since_when(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(service())
        await w.rest()
        made = (await w.client.get(Service, "web", "ns")).metadata.creation_timestamp
        (found,) = await w.all(EndpointSlice)
        (old,) = await w.all(Endpoints)
        assert found.metadata.annotations == old.metadata.annotations == {TRIGGER: made}
        await w.put(ready_since("2026-01-01T00:00:07Z"))
        await w.rest()
        (found,) = await w.all(EndpointSlice)
        (old,) = await w.all(Endpoints)
        assert found.metadata.annotations == old.metadata.annotations == {TRIGGER: "2026-01-01T00:00:07Z"}


async def test_readiness_goes_to_and_fro(clock: VirtualClock) -> None:
    """As with readiness gates that switch a Service from blue to green."""
    async with world(clock, NAMES) as w:
        await w.client.create(service())
        await w.put(pod(1))
        await w.put(pod(2, ready=False))
        for blue in (True, False, True):
            for number, ready in ((1, blue), (2, not blue)):
                held = await w.client.get(Pod, f"p{number}", "ns")
                await w.status(held, conditions=(PodCondition(type="Ready", status="True" if ready else "False"),))
            await w.rest()
            (found,) = await w.all(EndpointSlice)
            serving = [e.addresses for e in found.endpoints or () if e.conditions.ready]
            assert serving == [("10.0.0.1",) if blue else ("10.0.0.2",)]


async def test_they_give_up_on_a_namespace_that_ends(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(Secret(metadata=ObjectMeta(name="held", namespace="ns", finalizers=("x/y",))))
        await w.client.create(service())
        await w.rest()
        await w.client.delete(Namespace, "ns")
        for held in await w.all(EndpointSlice):
            await w.client.delete(EndpointSlice, held.metadata.name, "ns")
        await w.client.delete(Endpoints, "web", "ns")
        await w.rest()
        failed = {name: w.controllers[name].failed for name in NAMES}
        await clock.advance(60)
        assert {name: w.controllers[name].failed for name in NAMES} == failed
        assert not [e for e in await w.events() if e[0].startswith("Failed")]


async def test_mirrored_slices_have_the_annotations(clock: VirtualClock) -> None:
    async with world(clock, NAMES) as w:
        await w.client.create(with_spec(service(), selector={}))
        subset = EndpointSubset(addresses=(EndpointAddress(ip="1.2.3.4"),), ports=(EndpointPort(port=80),))
        told = {"a": "b", TRIGGER: "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
        meta = ObjectMeta(name="web", namespace="ns", annotations=told)
        held = await w.client.create(Endpoints(metadata=meta, subsets=(subset,)))
        await w.rest()
        (found,) = await w.all(EndpointSlice)
        assert found.metadata.annotations == {"a": "b"}
        await w.client.update(replace(held, metadata=replace(held.metadata, annotations={"c": "d"})))
        await w.rest()
        (found,) = await w.all(EndpointSlice)
        assert found.metadata.annotations == {"c": "d"}
