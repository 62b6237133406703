"""Real sockets on the loopback: the server, and upstreams that behave well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import dnslib
import pytest

from pilothouse.dns import forward
from pilothouse.dns.cache import AnswerCache
from pilothouse.dns.forward import Forwarder
from pilothouse.dns.resolv import Upstream, upstreams_of
from pilothouse.dns.server import DNSServer, Resolver
from pilothouse.dns.zone import Directory, Zone
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from tests.dns.test_zone import ep, piece, svc

Reply = Callable[[bytes], list[bytes]]


class _Upstream(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked = reply, 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        assert self.transport is not None
        for packet in self.reply(data):
            self.transport.sendto(packet, addr)


def answered(data: bytes, ip: str = "10.9.9.9", ttl: int = 60) -> bytes:
    request = dnslib.DNSRecord.parse(data)
    answer = request.reply()
    answer.add_answer(dnslib.RR(request.q.qname, rdata=dnslib.A(ip), ttl=ttl))
    return bytes(answer.pack())


class Lab:
    def __init__(self) -> None:
        self.directory = Directory()
        self.forwarder = Forwarder([], SystemClock(), Chance(3), AnswerCache())
        self.resolver = Resolver(Zone(self.directory), self.forwarder, Chance(4))
        self.resolver.ready = True
        self.server = DNSServer(self.resolver, SystemClock(), ["127.0.0.1"], 0)
        self.upstreams: list[asyncio.BaseTransport] = []

    async def upstream(self, reply: Reply) -> _Upstream:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(lambda: _Upstream(reply), local_addr=("127.0.0.1", 0))
        self.upstreams.append(transport)
        ip, port = transport.get_extra_info("sockname")
        self.forwarder.replace_upstreams([*self.forwarder.upstreams, Upstream(ip, port)])
        return protocol

    async def udp(self, packet: bytes) -> dnslib.DNSRecord:
        loop = asyncio.get_running_loop()
        got: asyncio.Future[bytes] = loop.create_future()

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                got.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", self.server.port))
        transport.sendto(packet)
        try:
            return dnslib.DNSRecord.parse(await asyncio.wait_for(got, 30))
        finally:
            transport.close()

    async def tcp(self, *packets: bytes) -> list[dnslib.DNSRecord]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(b"".join(len(p).to_bytes(2, "big") + p for p in packets))
        found = []
        for _ in packets:
            size = int.from_bytes(await reader.readexactly(2), "big")
            found.append(dnslib.DNSRecord.parse(await reader.readexactly(size)))
        writer.close()
        return found


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    lab = Lab()
    await lab.server.start()
    yield lab
    await lab.server.close()
    for transport in lab.upstreams:
        transport.close()


def question(name: str, kind: str = "A") -> bytes:
    return bytes(dnslib.DNSRecord.question(name, kind).pack())


async def test_cluster_names_over_both(lab: Lab) -> None:
    lab.directory.put_service(svc("web", ("10.96.0.5",)))
    packet = question("web.default.svc.cluster.local")
    assert str((await lab.udp(packet)).rr[0].rdata) == "10.96.0.5"
    first, second = await lab.tcp(packet, question("no.default.svc.cluster.local"))
    assert str(first.rr[0].rdata) == "10.96.0.5"
    assert second.header.rcode == 3
    assert second.auth[0].rtype == dnslib.QTYPE.SOA


async def test_a_long_answer_comes_over_tcp(lab: Lab) -> None:
    lab.directory.put_service(svc("db"))
    lab.directory.put_slice(piece("db", *(ep(f"10.1.0.{n}") for n in range(1, 101))))
    packet = question("db.default.svc.cluster.local")
    assert (await lab.udp(packet)).header.tc == 1
    (whole,) = await lab.tcp(packet)
    assert len(whole.rr) == 100


async def test_other_names_are_forwarded_and_kept(lab: Lab) -> None:
    upstream = await lab.upstream(lambda data: [answered(data)])
    for _ in range(3):
        assert str((await lab.udp(question("example.com"))).rr[0].rdata) == "10.9.9.9"
    assert upstream.asked == 1
    assert lab.resolver.counters.cache_hits == 2


async def test_answers_to_something_else_are_ignored(lab: Lab) -> None:
    def forged(data: bytes) -> list[bytes]:
        wrong_id = bytes((data[0] ^ 1,)) + answered(data, "6.6.6.6")[1:]
        wrong_question = data[:2] + answered(question("evil.example"), "6.6.6.6")[2:]
        return [b"", b"x" * 5, wrong_id, wrong_question, answered(data)]

    await lab.upstream(forged)
    assert str((await lab.udp(question("example.com"))).rr[0].rdata) == "10.9.9.9"


async def test_a_silent_upstream_is_passed_over(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TRY_SECONDS", 0.02)
    silent = await lab.upstream(lambda data: [])
    await lab.upstream(lambda data: [answered(data)])
    assert len((await lab.udp(question("one.example"))).rr) == 1
    assert len((await lab.udp(question("two.example"))).rr) == 1
    assert silent.asked == 1, "it went to the end of the list"


async def test_nobody_to_ask_is_a_failure_not_a_denial(lab: Lab) -> None:
    assert (await lab.udp(question("example.com"))).header.rcode == 2


async def test_external_names_are_followed(lab: Lab) -> None:
    lab.directory.put_service(svc("far", external="real.example"))
    lab.directory.put_service(svc("near", external="web.default.svc.cluster.local"))
    lab.directory.put_service(svc("web", ("10.96.0.5",)))
    await lab.upstream(lambda data: [answered(data)])
    far = await lab.udp(question("far.default.svc.cluster.local"))
    assert [str(r.rdata) for r in far.rr] == ["real.example.", "10.9.9.9"]
    near = await lab.udp(question("near.default.svc.cluster.local"))
    assert [str(r.rdata) for r in near.rr] == ["web.default.svc.cluster.local.", "10.96.0.5"]


async def test_an_alias_of_itself_ends(lab: Lab) -> None:
    lab.directory.put_service(svc("me", external="me.default.svc.cluster.local"))
    assert len((await lab.udp(question("me.default.svc.cluster.local"))).rr) >= 1


async def test_a_loop_is_found(lab: Lab) -> None:
    lab.forwarder.replace_upstreams([Upstream("127.0.0.1", lab.server.port)])
    assert await lab.resolver.look_for_loop()


async def test_no_loop_is_found(lab: Lab) -> None:
    await lab.upstream(lambda data: [answered(data)])
    assert not await lab.resolver.look_for_loop()


async def test_rubbish_gets_a_format_error(lab: Lab) -> None:
    answer = await lab.udp(b"\x12\x34" + b"\x00" * 10 + b"rubbish")
    assert answer.header.rcode == 1
    assert answer.header.id == 0x1234


def test_resolv_conf() -> None:
    lines = (
        "search a b",
        "nameserver 10.0.0.1",
        " nameserver\t10.96.0.10",
        "nameserver nonsense",
        "#nameserver 1.1.1.1",
    )
    text = "\n".join((*lines, "nameserver fe80::1%eth0", ""))
    assert upstreams_of(text, {"10.96.0.10"}) == [Upstream("10.0.0.1"), Upstream("fe80::1%eth0")]
