"""A packet in, a packet out: the cluster's zone first, everybody else's after that."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from pilothouse.dns.forward import Forwarder, UpstreamFailed
from pilothouse.dns.wire import (
    CLASS_IN,
    Alias,
    Answer,
    MalformedMessage,
    Query,
    Rcode,
    Record,
    Type,
    addresses_in,
    build_response,
    encode_name,
    parse_query,
    refusal,
)
from pilothouse.dns.wire.message import HEADER
from pilothouse.dns.zone import Zone
from pilothouse.kit.random import Chance

log = logging.getLogger(__name__)
TCP_LIMIT = 65535
MAX_ALIASES = 8
_RECURSION_DESIRED = 0x0100


@dataclass
class Counters:
    """What happened so far; the node's metrics read it."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)  # protocol, type
    responses: Counter[str] = field(default_factory=Counter)  # code
    forwarded: int = 0
    forward_failures: int = 0
    cache_hits: int = 0
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """A question that has to be asked elsewhere."""

    query: Query
    alias: Answer | None = None  # an answer to complete with what the alias's target has


class Resolver:
    """Answers packets. `ready` False (nothing known of the cluster yet) makes cluster questions fail with SERVFAIL: a
    client asks again, whereas a denial would be believed."""

    def __init__(self, zone: Zone, forwarder: Forwarder, chance: Chance) -> None:
        self.zone = zone
        self.counters = Counters()
        self.ready = False
        self._loop_seen = False
        self._forwarder = forwarder
        self._chance = chance
        self._probe = ""

    def answer(self, packet: bytes, limit: int | None) -> bytes | Pending:
        """Answer at once if possible; b"" means: say nothing. `limit` None: over TCP, else the largest UDP packet."""
        try:
            query = parse_query(packet)
        except MalformedMessage:
            self.counters.malformed += 1
            return refusal(packet, Rcode.FORMERR)
        kind = _TYPE_NAMES.get(query.type, "other")
        self.counters.requests[("tcp" if limit is None else "udp", kind)] += 1
        answer = self._local(query)
        if answer is None:
            cached = self._forwarder.cached(query)
            if cached is None or len(cached) > self._room(query, limit):
                return Pending(query)
            self.counters.cache_hits += 1
            self._count(cached)
            return cached
        if query.type in (Type.A, Type.AAAA) and answer.answers and isinstance(answer.answers[-1], Alias):
            return Pending(query, answer)
        return self._packed(query, answer, limit)

    async def finish(self, pending: Pending, packet: bytes, limit: int | None) -> bytes:
        """The answer to a question that was pending."""
        if pending.alias is not None:
            answer = await self._complete(pending.query, pending.alias)
            return self._packed(pending.query, answer, limit)
        self.counters.forwarded += 1
        try:
            found = await self._forwarder.ask(pending.query, packet, over_tcp=limit is None)
        except UpstreamFailed as error:
            self.counters.forward_failures += 1
            log.debug("no answer for %s: %s", pending.query.name, error)
            return self._packed(pending.query, Answer(Rcode.SERVFAIL, authoritative=False), limit)
        self._count(found)
        return found

    async def look_for_loop(self) -> bool:
        """Ask upstream what nobody else would ask; True if the question comes back to us: it would go in a circle."""
        self._probe = f"{self._chance.uid()}.{self.zone.domain}-loop"
        header = HEADER.pack(self._chance.below(65536), _RECURSION_DESIRED, 1, 0, 0, 0)
        packet = header + encode_name(self._probe) + bytes((0, Type.HINFO, 0, CLASS_IN))
        self._loop_seen = False
        try:
            await self._forwarder.ask(parse_query(packet), packet, over_tcp=False)
        except UpstreamFailed as error:
            log.debug("no upstream answered the probe: %s", error)
        finally:
            self._probe = ""
        return self._loop_seen

    def _local(self, query: Query) -> Answer | None:
        if query.opcode != 0:
            return Answer(Rcode.NOTIMP, authoritative=False)
        if query.edns and query.version != 0:
            return Answer(Rcode.BADVERS, authoritative=False)
        if query.klass != CLASS_IN or query.type == Type.AXFR:
            return Answer(Rcode.REFUSED, authoritative=False)
        if self._probe and query.name == self._probe:
            self._loop_seen = True
            return Answer(Rcode.REFUSED, authoritative=False)
        answer = self.zone.ask(query.name, query.type)
        if answer is not None and not self.ready:
            return Answer(Rcode.SERVFAIL, authoritative=False)
        if answer is None and not query.flags & _RECURSION_DESIRED:
            return Answer(Rcode.REFUSED, authoritative=False)
        return answer

    async def _complete(self, query: Query, answer: Answer) -> Answer:
        """Follow an alias: here as long as the names are ours, then where they lead."""
        records: list[Record] = list(answer.answers)
        ttl = answer.ttl
        for _ in range(MAX_ALIASES):
            last = records[-1]
            if not isinstance(last, Alias):
                break
            found = self.zone.ask(last.target, query.type)
            if found is None:
                records.extend(await self._outside(query, last.target))
                break
            if not found.answers:
                break
            records.extend(found.answers)
        return Answer(answers=records, ttl=ttl)

    async def _outside(self, query: Query, target: str) -> list[Record]:
        try:
            question = encode_name(target) + query.question[-4:]
            packet = HEADER.pack(query.id, _RECURSION_DESIRED, 1, 0, 0, 0) + question
            asked = query._replace(name=target, question=question, edns=False, dnssec_ok=False)
            found = self._forwarder.cached(asked)
            if found is None:
                self.counters.forwarded += 1
                found = await self._forwarder.ask(asked, packet, over_tcp=False)
            return addresses_in(found)
        except (UpstreamFailed, MalformedMessage) as error:
            self.counters.forward_failures += 1
            log.debug("no answer for the alias %s: %s", target, error)
            return []

    def _packed(self, query: Query, answer: Answer, limit: int | None) -> bytes:
        packet = build_response(query, answer, self._room(query, limit))
        self._count(packet)
        return packet

    @staticmethod
    def _room(query: Query, limit: int | None) -> int:
        return TCP_LIMIT if limit is None else min(query.payload, limit)

    def _count(self, packet: bytes) -> None:
        self.counters.responses[_RCODE_NAMES.get(packet[3] & 0xF, "other")] += 1


_TYPE_NAMES = {int(t): t.name for t in Type}
_RCODE_NAMES = {int(r): r.name for r in Rcode}
