"""Which container, kubelet path and address a request means."""

from __future__ import annotations

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import (
    Container,
    ContainerPort,
    EphemeralContainer,
    Node,
    NodeAddress,
    NodeStatus,
    Pod,
    PodSpec,
    PodStatus,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.request.query import parse
from pilothouse.apiserver.streaming import locate
from pilothouse.apiserver.streaming.addresses import checked, proxyable
from pilothouse.apiserver.streaming.nodes import SecureKubelets
from pilothouse.apiserver.streaming.proxying import split_target
from pilothouse.apiserver.streaming.targets import Place, pod_place, service_place, split_name
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance


def pod(*names: str, node: str = "n1", ip: str = "10.1.1.1") -> Pod:
    ports = (ContainerPort(container_port=8080),)
    return Pod(
        metadata=ObjectMeta(name="p", namespace="d"),
        spec=PodSpec(
            node_name=node,
            init_containers=(Container(name="first"),) if len(names) > 1 else (),
            containers=tuple(Container(name=name, ports=ports) for name in names),
            ephemeral_containers=(EphemeralContainer(name="debug"),) if len(names) > 1 else (),
        ),
        status=PodStatus(pod_ip=ip),
    )


def refusal(error: StatusError) -> tuple[int, str]:
    return error.code, str(error)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (b"stdout=true&stderr=1&command=ls&command=-l+x", b"/exec/d/p/c?output=1&error=1&command=ls&command=-l+x"),
        (b"stdin=true&stdout=false&tty=true&container=c&command=a%26b", b"/exec/d/p/c?input=1&tty=1&command=a%26b"),
        (b"", b"/exec/d/p/c"),
    ],
)
def test_commands(query: bytes, target: bytes) -> None:
    assert locate.command_target("exec", pod("c"), parse(query)) == target


@pytest.mark.parametrize(
    ("found", "query", "told"),
    [
        (pod("a", "b"), b"", "a container name must be specified for pod p, choose one of: [first a b debug]"),
        (pod("a"), b"container=x", "container x is not valid for pod p"),
        (pod("a", node=""), b"", "pod p does not have a host assigned"),
        (pod(), b"", "a container name must be specified for pod p"),
    ],
)
def test_refused_commands(found: Pod, query: bytes, told: str) -> None:
    with pytest.raises(StatusError) as caught:
        locate.command_target("attach", found, parse(query))
    assert refusal(caught.value) == (400, told)


def test_logs() -> None:
    query = parse(b"follow=true&previous=false&tailLines=5&timestamps=1&sinceTime=2026-01-01T02:00:00%2B02:00")
    expected = b"/containerLogs/d/p/c?follow=true&timestamps=true&sinceTime=2026-01-01T00%3A00%3A00Z&tailLines=5"
    assert locate.log_target(pod("c"), query) == expected
    assert locate.log_target(pod("c", node=""), parse(b"")) == b""


@pytest.mark.parametrize(
    ("query", "code", "told"),
    [
        (b"tailLines=-1", 422, 'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or '
         "equal to 0"),
        (b"limitBytes=0", 422, 'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0'),
        (b"sinceSeconds=0", 422, 'PodLogOptions "p" is invalid: sinceSeconds: Invalid value: 0: must be greater '
         "than 0"),
        (b"container=x", 400, "container x is not valid for pod p"),
    ],
)  # fmt: skip
def test_refused_logs(query: bytes, code: int, told: str) -> None:
    with pytest.raises(StatusError) as caught:
        locate.log_target(pod("c"), parse(query))
    assert refusal(caught.value) == (code, told)


def test_port_forwards() -> None:
    assert locate.port_forward_target(pod("c"), parse(b"ports=80&ports=81")) == b"/portForward/d/p?port=80%2C81"
    assert locate.port_forward_target(pod("c"), parse(b"")) == b"/portForward/d/p"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("a", ("", "a", "")), ("a:1", ("", "a", "1")), ("https:a:x", ("https", "a", "x")), ("http:a:", ("http", "a", ""))],
)
def test_names(text: str, parts: tuple[str, str, str]) -> None:
    assert split_name(text, "pod") == parts


@pytest.mark.parametrize("text", ["", ":1", "ftp:a:1", "a:b:c:d"])
def test_bad_names(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        split_name(text, "service")
    assert refusal(caught.value) == (400, f'invalid service request "{text}"')


def test_pod_addresses() -> None:
    assert pod_place(pod("c"), "", "") == Place("http", "10.1.1.1", 8080)
    assert pod_place(pod("c"), "https", "9") == Place("https", "10.1.1.1", 9)
    for ip in ("", "127.0.0.1", "169.254.169.254", "::1", "224.0.0.1"):
        with pytest.raises(StatusError) as caught:
            pod_place(pod("c", ip=ip), "", "")
        assert refusal(caught.value) == (400, "address not allowed")


def service(*ports: ServicePort) -> Service:
    return Service(metadata=ObjectMeta(name="s", namespace="d"), spec=ServiceSpec(ports=ports))


def slice_of(port: int, name: str, *addresses: str, ready: bool = True) -> EndpointSlice:
    endpoints = tuple(Endpoint(addresses=(a,), conditions=EndpointConditions(ready=ready)) for a in addresses)
    return EndpointSlice(address_type="IPv4", ports=(EndpointPort(name=name, port=port),), endpoints=endpoints)


def test_service_addresses() -> None:
    web = service(ServicePort(name="http", port=80), ServicePort(name="admin", port=81))
    slices = [
        slice_of(8080, "http", "10.1.1.1"),
        slice_of(8080, "http", "10.1.1.2", ready=False),
        slice_of(9, "admin", "10.1.1.3"),
    ]
    for port in ("80", "http"):
        assert service_place(web, slices, "", port, Chance(1)) == Place("http", "10.1.1.1", 8080)
    assert service_place(web, slices, "https", "admin", Chance(1)) == Place("https", "10.1.1.3", 9)
    one = service(ServicePort(name="http", port=80))
    assert service_place(one, slices, "", "", Chance(1)).port == 8080


@pytest.mark.parametrize(
    ("port", "told"),
    [("82", "no service port 82 found for service \"s\""), ("http", 'no endpoints available for service "s"')],
)  # fmt: skip
def test_services_that_cannot_be_reached(port: str, told: str) -> None:
    with pytest.raises(StatusError) as caught:
        service_place(service(ServicePort(name="http", port=80)), [], "", port, Chance(1))
    assert refusal(caught.value) == (503, told)


@pytest.mark.parametrize(
    ("target", "namespaced", "parts"),
    [
        (b"/api/v1/namespaces/d/pods/p/proxy", True, (b"/api/v1/namespaces/d/pods/p/proxy", b"", b"")),
        (b"/api/v1/namespaces/d/pods/p/proxy/", True, (b"/api/v1/namespaces/d/pods/p/proxy", b"/", b"")),
        (b"/api/v1/namespaces/d/pods/p/proxy/a%2Fb//c/?x=/y", True,
         (b"/api/v1/namespaces/d/pods/p/proxy", b"/a%2Fb//c/", b"?x=/y")),
        (b"/api/v1/namespaces/d%2Fpods/p/proxy/a", True, (b"/api/v1/namespaces/d%2Fpods/p/proxy", b"/a", b"")),
        (b"/api/v1/nodes/n/proxy/metrics", False, (b"/api/v1/nodes/n/proxy", b"/metrics", b"")),
    ],
)  # fmt: skip
def test_the_proxied_path_is_left_as_it_was_sent(target: bytes, namespaced: bool, parts: object) -> None:
    assert split_target(target, namespaced) == parts


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.0.0.1", True),
        ("8.8.8.8", True),
        ("fd00::1", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.0", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:10.0.0.1", True),
        ("", False),
        ("localhost", False),
        ("127.1", False),
    ],
)
async def test_addresses_that_may_be_gone_to(address: str, allowed: bool) -> None:
    assert proxyable(address) is allowed
    if allowed:
        assert await checked(address) == address
    else:
        with pytest.raises(StatusError) as caught:
            await checked(address)
        assert caught.value.code == 400


async def test_a_node_says_where_its_kubelet_is_not() -> None:
    clock = SystemClock()
    authority = tls.new_authority("test", now=clock.now())
    kubelets = SecureKubelets(authority.pair.certificate, authority.pair, clock, host="127.0.0.1")
    for address in ("127.0.0.1", "169.254.1.1", "localhost"):
        status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),))
        with pytest.raises(StatusError) as caught:
            await kubelets.connect(Node(metadata=ObjectMeta(name="n"), status=status))
        assert refusal(caught.value) == (400, "address not allowed")
