"""The table against a naive reading of the API, for any Services, endpoints and packets."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.api.types.core.v1 import Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.kubeproxy.backends.ruleset import Element
from pilothouse.kubeproxy.model import Packet, Place, Refusal, Target
from pilothouse.kubeproxy.state import ProxyState
from tests.kubeproxy import reference
from tests.kubeproxy.build import endpoint, port, service, slice_of

PLACE = Place("n1", "za", pod_cidrs=("10.1.0.0/16",), own_addresses=frozenset({"10.96.0.53"}))
policies = st.sampled_from(["Cluster", "Local"])
names = st.sampled_from(["a", "b", "c"])
NUMBERS = {"a": 1, "b": 2, "c": 3}


@st.composite
def services(draw: st.DrawFn) -> Service:
    name = draw(names)
    number = NUMBERS[name]
    kind = draw(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ClusterIP"]))
    exposed = kind != "ClusterIP"
    ports = [
        port(80, name="http", node_port=30000 + number if exposed else 0),
        port(53, name="dns", protocol="UDP", node_port=30000 + number if exposed else 0),
    ]
    return service(
        name,
        draw(st.sampled_from([f"10.96.0.{number}", f"10.96.0.{number}", "None"])),
        *ports[: draw(st.integers(1, 2))],
        type=kind,
        ingress=(f"10.200.0.{number}",) if kind == "LoadBalancer" else (),
        external_ips=draw(st.sampled_from([(), ("10.201.0.1",)])),
        internal_traffic_policy=draw(policies),
        external_traffic_policy=draw(policies) if exposed else "",
        session_affinity=draw(st.sampled_from(["None", "ClientIP"])),
        load_balancer_source_ranges=draw(st.sampled_from([(), (), ("10.1.0.0/16", "10.1.2.0/24")])),
    )


@st.composite
def slices(draw: st.DrawFn) -> EndpointSlice:
    owner, piece = draw(names), draw(st.integers(0, 1))
    hinted = draw(st.booleans())
    zones = st.sampled_from([("za",), ("zb",), ()]) if hinted else st.just(())
    nodes = st.sampled_from([("n1",), ("n2",), ()]) if hinted else st.just(())
    endpoints = [
        endpoint(
            f"10.1.{piece}.{last}",
            draw(st.sampled_from(["n1", "n2"])),
            ready=draw(st.booleans()),
            serving=draw(st.booleans()),
            terminating=draw(st.booleans()),
            zones=draw(zones),
            nodes=draw(nodes),
        )
        for last in range(draw(st.integers(0, 3)))
    ]
    ports = (("http", "TCP", 8080), ("dns", "UDP", 5353))
    return slice_of(*endpoints, service=owner, name=f"{owner}-{piece}", ports=ports)


packets = st.builds(
    Packet,
    source=st.sampled_from(["10.1.0.1", "10.1.9.9", "192.168.0.7"]),
    destination=st.sampled_from([f"10.{b}.0.{n}" for b in (96, 200, 201) for n in (1, 2, 3)] + ["172.16.0.1"]),
    protocol=st.sampled_from(["tcp", "udp"]),
    port=st.sampled_from([80, 53, 30001, 30002, 30003]),
).map(lambda p: p._replace(to_node=p.destination == "172.16.0.1", from_node=p.source == "192.168.0.7"))
worlds = st.tuples(st.lists(services(), max_size=3), st.lists(slices(), max_size=5))


World = tuple[list[Service], list[EndpointSlice]]


def feed(state: ProxyState, found: World) -> tuple[dict[str, Service], dict[str, EndpointSlice]]:
    """The last object of a name wins, as in the API."""
    by_name = {s.metadata.name: s for s in found[0]}
    pieces = {s.metadata.name: s for s in found[1]}
    for one in by_name.values():
        state.put_service(one)
    for piece in pieces.values():
        state.put_slice(piece)
    return by_name, pieces


@settings(max_examples=150, deadline=None)
@given(worlds, st.lists(packets, min_size=5, max_size=20))
def test_table_means_what_the_api_says(world: World, sent: list[Packet]) -> None:
    state = ProxyState(PLACE, "t")
    by_name, pieces = feed(state, world)
    state.update()
    for packet in sent:
        said = reference.decide(list(by_name.values()), list(pieces.values()), PLACE, packet)
        assert state.table.decide(packet) == said


@settings(max_examples=60, deadline=None)
@given(st.lists(worlds, min_size=1, max_size=4))
def test_history_leaves_no_trace(worlds: list[World]) -> None:
    """Whatever came and went, the committed items are those of a proxy that saw only the end."""
    state = ProxyState(PLACE, "t")
    by_name, pieces = {}, {}
    for world in worlds:
        for old in by_name.values():
            state.drop_service(old)
        for piece in pieces.values():
            state.drop_slice(piece)
        by_name, pieces = feed(state, world)
        state.update()
        state.ruleset.difference()
        state.ruleset.committed()
        assert state.ruleset.difference() == ""
    fresh = ProxyState(PLACE, "t")
    feed(fresh, (list(by_name.values()), list(pieces.values())))
    fresh.update()
    assert state.ruleset.whole() == fresh.ruleset.whole()


def test_only_the_difference_is_sent() -> None:
    state = ProxyState(PLACE, "t")
    for number in range(50):
        state.put_service(service(f"s{number}", f"10.96.1.{number}"))
        state.put_slice(slice_of(endpoint("10.1.0.1"), service=f"s{number}", name=f"s{number}"))
    state.update()
    assert state.ruleset.whole().count("ip-services {") >= 1
    state.ruleset.committed()
    state.put_slice(slice_of(endpoint("10.1.0.1"), endpoint("10.1.0.2"), service="s7", name="s7"))
    state.update()
    text = state.ruleset.difference()
    assert "10.96.1.7 " in text
    assert "10.96.1.8 " not in text


def test_own_addresses_are_left_alone() -> None:
    state = ProxyState(PLACE, "t")
    state.put_service(service("kube-dns", "10.96.0.53", port(53, protocol="UDP")))
    state.update()
    assert list(state.table) == []
    assert "10.96.0.53" not in state.ruleset.whole()


def test_two_services_with_one_external_address() -> None:
    """The first by name has it, and when it goes the other takes over."""
    state = ProxyState(PLACE, "t")
    for name, ip in (("a", "10.96.0.1"), ("b", "10.96.0.2")):
        state.put_service(service(name, ip, external_ips=("10.201.0.1",)))
        state.put_slice(slice_of(endpoint(f"10.1.0.{NUMBERS[name]}"), service=name, name=name))
    state.update()
    packet = Packet("192.168.0.7", "10.201.0.1", "tcp", 80)
    assert state.table.decide(packet).targets == (Target("10.1.0.1", 8080),)
    state.drop_service(service("a"))
    state.update()
    assert state.table.decide(packet).targets == (Target("10.1.0.2", 8080),)


def test_stale_udp_flows() -> None:
    state = ProxyState(PLACE, "t")
    state.put_service(service("dns", "10.96.0.1", port(53, protocol="UDP"), port(53)))
    udp = (("", "UDP", 5353), ("", "TCP", 5353))
    assert state.update() == []
    state.put_slice(slice_of(endpoint("10.1.0.1"), service="dns", name="d", ports=udp))
    assert [(f.frontend.protocol, f.endpoint) for f in state.update()] == [("udp", "")]
    state.put_slice(slice_of(endpoint("10.1.0.2"), service="dns", name="d", ports=udp))
    assert [(f.frontend.ip, f.endpoint) for f in state.update()] == [("10.96.0.1", "10.1.0.1")]


def test_health_check_counts_local_ready_endpoints() -> None:
    state = ProxyState(PLACE, "t")
    state.put_service(
        service("web", "10.96.0.1", type="LoadBalancer", external_traffic_policy="Local", health_check_node_port=31234)
    )
    state.put_slice(slice_of(endpoint("10.1.0.1"), endpoint("10.1.0.2", "n2"), endpoint("10.1.0.3", ready=False)))
    state.update()
    (check,) = state.health_checks()
    assert (check.port, check.local_endpoints) == (31234, 1)


def test_an_empty_port_name_and_no_port() -> None:
    """A slice without a port number (all ports) and one of another family add nothing and break nothing."""
    state = ProxyState(PLACE, "t")
    state.put_service(service())
    odd = slice_of(endpoint("10.1.0.1"))
    state.put_slice(msgspec.structs.replace(odd, ports=None))
    state.put_slice(msgspec.structs.replace(slice_of(endpoint("fd00::1"), name="six"), address_type="IPv6"))
    state.update()
    assert state.table.decide(Packet("10.1.0.1", "10.96.0.10", "tcp", 80)).refusal is Refusal.REJECT
    assert not any(isinstance(i, Element) and "fd00" in i.key for i in state.ruleset._wanted)
