"""Packets against another implementation, and against anything at all."""

from __future__ import annotations

import contextlib

import dnslib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.dns.cache import AnswerCache
from pilothouse.dns.forward import Forwarder
from pilothouse.dns.server import Resolver
from pilothouse.dns.server.resolver import Pending
from pilothouse.dns.wire import (
    Address,
    Alias,
    Answer,
    MalformedMessage,
    Query,
    Rcode,
    Server,
    addresses_in,
    aged,
    build_response,
    parse_query,
    shortest_ttl,
)
from pilothouse.dns.zone import Directory, Zone
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance


def asked(name: str, kind: str = "A", edns: int = 0) -> bytes:
    record = dnslib.DNSRecord.question(name, kind)
    if edns:
        record.add_ar(dnslib.EDNS0(udp_len=edns, flags="do"))
    return bytes(record.pack())


def resolver() -> Resolver:
    chance = Chance(1)
    found = Resolver(Zone(Directory()), Forwarder([], SystemClock(), chance, AnswerCache()), chance)
    found.ready = True
    return found


def test_a_query_is_read() -> None:
    query = parse_query(asked("Web.Default.SVC.cluster.local", "SRV", 1400))
    assert (query.name, query.type, query.payload, query.edns, query.dnssec_ok) == (
        "web.default.svc.cluster.local",
        33,
        1400,
        True,
        True,
    )


def test_an_answer_is_read_by_others() -> None:
    query = parse_query(asked("Web.example"))
    answer = Answer(answers=[Alias("web.example", "b.example"), Address("b.example", "10.0.0.1")], ttl=7)
    seen = dnslib.DNSRecord.parse(build_response(query, answer, 512))
    assert str(seen.q.qname) == "Web.example.", "the question comes back as it was written"
    assert [(str(r.rname), r.ttl, str(r.rdata)) for r in seen.rr] == [
        ("Web.example.", 7, "b.example."),
        ("b.example.", 7, "10.0.0.1"),
    ]


@pytest.mark.parametrize("edns", [0, 1232])
def test_too_much_is_cut_and_says_so(edns: int) -> None:
    query = parse_query(asked("many.example", edns=edns))
    answer = Answer(answers=[Address("many.example", f"10.0.{n // 250}.{n % 250}") for n in range(500)])
    packet = build_response(query, answer, query.payload)
    assert len(packet) <= (edns or 512)
    seen = dnslib.DNSRecord.parse(packet)
    assert seen.header.tc == 1
    whole = dnslib.DNSRecord.parse(build_response(query, answer, 65535))
    assert (whole.header.tc, len(whole.rr)) == (0, 500)


def test_additional_records_are_left_out_silently() -> None:
    query = parse_query(asked("_x._tcp.example", "SRV"))
    more = [Address(f"h{n}.example", "10.0.0.1") for n in range(100)]
    seen = dnslib.DNSRecord.parse(
        build_response(query, Answer(answers=[Server(query.name, 1, "h")], additional=more), 512)
    )
    assert seen.header.tc == 0
    assert 0 < len(seen.ar) < 100


@pytest.mark.parametrize(
    "name", ["a..b", "x" * 64, ".".join(["abcdefg"] * 40), "ü.example"], ids=["empty", "label", "name", "ascii"]
)
def test_names_that_cannot_be_written(name: str) -> None:
    from pilothouse.dns.wire import encode_name

    with pytest.raises(MalformedMessage):
        encode_name(name)


def test_a_pointer_loop_is_refused() -> None:
    header = b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    with pytest.raises(MalformedMessage):
        parse_query(header + b"\xc0\x0c\x00\x01\x00\x01")


def test_versions_classes_and_operations() -> None:
    at = resolver()
    chaos = bytearray(asked("version.bind", "TXT"))
    chaos[-1] = 3
    answers = {"class": bytes(chaos), "transfer": asked("cluster.local", "AXFR")}
    for packet in answers.values():
        found = at.answer(packet, 512)
        assert isinstance(found, bytes)
        assert dnslib.DNSRecord.parse(found).header.rcode == Rcode.REFUSED
    notify = bytearray(asked("cluster.local"))
    notify[2] |= 4 << 3
    found = at.answer(bytes(notify), 512)
    assert isinstance(found, bytes)
    assert dnslib.DNSRecord.parse(found).header.rcode == Rcode.NOTIMP


def test_before_the_first_sync_the_cluster_is_unknown() -> None:
    at = resolver()
    at.ready = False
    found = at.answer(asked("web.default.svc.cluster.local"), 512)
    assert isinstance(found, bytes)
    assert dnslib.DNSRecord.parse(found).header.rcode == Rcode.SERVFAIL


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_survived(data: bytes) -> None:
    found = resolver().answer(data, 4096)
    assert isinstance(found, bytes | Pending)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_packets_are_survived(data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([asked("web.default.svc.cluster.local", "SRV", 4096), asked("x.example")]))
    packet = bytearray(base)
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    found = resolver().answer(bytes(packet[: data.draw(st.integers(0, len(packet)))]), 4096)
    assert isinstance(found, bytes | Pending)
    with contextlib.suppress(MalformedMessage):
        if len(packet) >= 12:
            aged(bytes(packet), 3)
            addresses_in(bytes(packet))


labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(st.lists(labels, min_size=1, max_size=8), st.sampled_from(["A", "AAAA", "SRV", "TXT"]))
def test_queries_round_trip(parts: list[str], kind: str) -> None:
    query = parse_query(asked(".".join(parts), kind))
    assert query.name == ".".join(parts)
    assert query.type == getattr(dnslib.QTYPE, kind)


def reply(name: str, ttl: int) -> bytes:
    record = dnslib.DNSRecord(dnslib.DNSHeader(id=9, qr=1, ra=1), q=dnslib.DNSQuestion(name))
    record.add_answer(*dnslib.RR.fromZone(f"{name} {ttl} A 10.9.9.9"))
    return bytes(record.pack())


def test_the_cache_ages_its_answers() -> None:
    cache = AnswerCache(size=2)
    query: Query = parse_query(asked("A.example"))
    cache.put(query, reply("a.example", 20), now=100.0)
    found = cache.get(query, now=107.5)
    assert found is not None
    seen = dnslib.DNSRecord.parse(found)
    assert (seen.header.id, seen.rr[0].ttl, str(seen.q.qname)) == (query.id, 13, "A.example.")
    assert cache.get(query, now=120.1) is None
    assert shortest_ttl(reply("x", 3)) == 3


def test_the_cache_is_small() -> None:
    cache = AnswerCache(size=2)
    for name in ("a.example", "b.example", "c.example"):
        cache.put(parse_query(asked(name)), reply(name, 20), now=0)
    assert len(cache) == 2
    assert cache.get(parse_query(asked("a.example")), now=1) is None
