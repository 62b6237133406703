"""Names of the Kubernetes DNS specification, one by one."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import Service, ServicePort, ServiceSpec
from pilothouse.api.types.discovery.v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.dns.wire import Address, Alias, Pointer, Rcode, Server, Text, Type
from pilothouse.dns.zone import Directory, Zone


def svc(name: str, ips: tuple[str, ...] = (), *, external: str = "", ns: str = "default") -> Service:
    ports = (ServicePort(name="http", protocol="TCP", port=80), ServicePort(name="dns", protocol="UDP", port=53))
    spec = ServiceSpec(cluster_ip=ips[0] if ips else "None", cluster_ips=ips or ("None",), ports=ports)
    if external:
        spec = ServiceSpec(type="ExternalName", external_name=external)
    return Service(metadata=ObjectMeta(name=name, namespace=ns), spec=spec)


def piece(service: str, *endpoints: Endpoint, family: str = "IPv4", name: str = "") -> EndpointSlice:
    meta = ObjectMeta(name=name or f"{service}-1", namespace="default", labels={"kubernetes.io/service-name": service})
    ports = (EndpointPort(name="http", protocol="TCP", port=8080),)
    return EndpointSlice(metadata=meta, address_type=family, endpoints=endpoints, ports=ports)


def ep(ip: str, hostname: str | None = None, ready: bool = True) -> Endpoint:
    return Endpoint(addresses=(ip,), hostname=hostname, conditions=EndpointConditions(ready=ready))


@pytest.fixture
def zone() -> Zone:
    directory = Directory()
    directory.put_namespace("empty")
    directory.put_service(svc("web", ("10.96.0.5", "fd00::5")))
    directory.put_slice(piece("web", ep("10.1.0.9")))
    directory.put_service(svc("db"))
    directory.put_slice(piece("db", ep("10.1.0.1", "db-0"), ep("10.1.0.2", "db-1"), ep("10.1.0.3", ready=False)))
    directory.put_slice(piece("db", ep("fd01::1", "db-0"), family="IPv6", name="db-6"))
    directory.put_service(svc("bare"))
    directory.put_slice(piece("bare", ep("10.1.1.1")))
    directory.put_service(svc("nobody"))
    directory.put_service(svc("far", external="Example.COM."))
    return Zone(directory, own_ip="10.96.0.10")


S = "default.svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "kind", "records"),
    [
        (f"web.{S}", Type.A, [Address(f"web.{S}", "10.96.0.5")]),
        (f"web.{S}", Type.AAAA, [Address(f"web.{S}", "fd00::5")]),
        (f"web.{S}", Type.TXT, []),
        (f"db.{S}", Type.A, [Address(f"db.{S}", "10.1.0.1"), Address(f"db.{S}", "10.1.0.2")]),
        (f"db-0.db.{S}", Type.A, [Address(f"db-0.db.{S}", "10.1.0.1")]),
        (f"db-0.db.{S}", Type.AAAA, [Address(f"db-0.db.{S}", "fd01::1")]),
        (f"db-1.db.{S}", Type.AAAA, []),
        (f"10-1-1-1.bare.{S}", Type.A, [Address(f"10-1-1-1.bare.{S}", "10.1.1.1")]),
        (f"nobody.{S}", Type.A, []),
        (f"_http._tcp.web.{S}", Type.SRV, [Server(f"_http._tcp.web.{S}", 80, f"web.{S}")]),
        (f"_http._tcp.web.{S}", Type.A, []),
        (f"_tcp.web.{S}", Type.SRV, []),
        (
            f"_http._tcp.db.{S}",
            Type.SRV,
            [
                Server(f"_http._tcp.db.{S}", 8080, f"db-0.db.{S}", 50),
                Server(f"_http._tcp.db.{S}", 8080, f"db-1.db.{S}", 50),
            ],
        ),
        (f"far.{S}", Type.A, [Alias(f"far.{S}", "example.com")]),
        (f"far.{S}", Type.CNAME, [Alias(f"far.{S}", "example.com")]),
        ("dns-version.cluster.local", Type.TXT, [Text("dns-version.cluster.local", "1.1.0")]),
        ("10-1-2-3.default.pod.cluster.local", Type.A, [Address("10-1-2-3.default.pod.cluster.local", "10.1.2.3")]),
        ("ns.dns.cluster.local", Type.A, [Address("ns.dns.cluster.local", "10.96.0.10")]),
        ("empty.svc.cluster.local", Type.A, []),
        ("svc.cluster.local", Type.A, []),
        ("cluster.local", Type.A, []),
        ("5.0.96.10.in-addr.arpa", Type.PTR, [Pointer("5.0.96.10.in-addr.arpa", f"web.{S}")]),
        ("1.0.1.10.in-addr.arpa", Type.PTR, [Pointer("1.0.1.10.in-addr.arpa", f"db-0.db.{S}")]),
    ],
)
def test_answers(zone: Zone, name: str, kind: int, records: list[object]) -> None:
    answer = zone.ask(name, kind)
    assert answer is not None
    assert answer.rcode is Rcode.NOERROR
    assert list(answer.answers) == records
    if not records:
        assert answer.authority, "a denial names the authority"


@pytest.mark.parametrize(
    "name",
    [
        f"missing.{S}",
        f"db-9.db.{S}",
        f"db-2.web.{S}",
        f"_https._tcp.web.{S}",
        f"_http._udp.web.{S}",
        f"_http._tcp.nobody.{S}",
        f"a.b.c.web.{S}",
        f"x.far.{S}",
        "web.other.svc.cluster.local",
        "other.svc.cluster.local",
        "10-1-2-3.other.pod.cluster.local",
        "10-1-2.default.pod.cluster.local",
        "nonsense.cluster.local",
        "google.com.svc.cluster.local",
    ],
)
def test_denials(zone: Zone, name: str) -> None:
    for kind in (Type.A, Type.SRV):
        answer = zone.ask(name, kind)
        assert answer is not None
        assert answer.rcode is Rcode.NXDOMAIN
        assert [r.type for r in answer.authority] == [Type.SOA]


@pytest.mark.parametrize("name", ["example.com", "1.2.3.4.in-addr.arpa", "nocluster.local", "local", ""])
def test_not_ours(zone: Zone, name: str) -> None:
    assert zone.ask(name, Type.A) is None


def test_six_reverse(zone: Zone) -> None:
    name = ".".join(reversed("fd010000000000000000000000000001")) + ".ip6.arpa"
    answer = zone.ask(name, Type.PTR)
    assert answer is not None
    assert list(answer.answers) == [Pointer(name, f"db-0.db.{S}")]


def test_server_records_carry_their_addresses(zone: Zone) -> None:
    answer = zone.ask(f"_http._tcp.db.{S}", Type.SRV)
    assert answer is not None
    assert {(r.owner, r.ip) for r in answer.additional if isinstance(r, Address)} == {
        (f"db-0.db.{S}", "10.1.0.1"),
        (f"db-0.db.{S}", "fd01::1"),
        (f"db-1.db.{S}", "10.1.0.2"),
    }


def test_addresses_start_anywhere(zone: Zone) -> None:
    turned = Zone(zone.directory, shuffle=lambda count: count - 1).ask(f"db.{S}", Type.A)
    assert turned is not None
    assert [r.ip for r in turned.answers if isinstance(r, Address)] == ["10.1.0.2", "10.1.0.1"]


def test_changes_and_removal(zone: Zone) -> None:
    directory = zone.directory
    directory.put_slice(piece("db", ep("10.1.0.7", "db-0")))
    answer = zone.ask(f"db-0.db.{S}", Type.A)
    assert answer is not None
    assert [r.ip for r in answer.answers if isinstance(r, Address)] == ["10.1.0.7"]
    assert zone.ask("1.0.1.10.in-addr.arpa", Type.PTR) is None
    for name in ("web", "db", "bare", "nobody", "far"):
        directory.drop_service(svc(name))
    assert zone.ask(f"web.{S}", Type.A) == zone.ask(f"gone.{S}", Type.A)
    assert not directory.has_namespace("default")
    assert directory.has_namespace("empty")
