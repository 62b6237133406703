"""Headers and questions."""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from pilothouse.dns.wire.names import MalformedMessage, decode_name, skip_name

HEADER = struct.Struct("!HHHHHH")
_FIXED = struct.Struct("!HH")
_RECORD = struct.Struct("!HHIH")
CLASS_IN = 1
MIN_PAYLOAD = 512
MAX_PAYLOAD = 4096


class Type(enum.IntEnum):
    """Record types that the cluster answers with, or that mean something in a query."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    HINFO = 13
    TXT = 16
    AAAA = 28
    SRV = 33
    OPT = 41
    AXFR = 252
    ANY = 255


class Rcode(enum.IntEnum):
    """Response codes."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Query(NamedTuple):
    """A question. `name` is in lower case without the trailing dot, `question` its bytes as sent (name, type, class),
    `payload` how large an answer over UDP may be; `edns` whether the client speaks EDNS0, `dnssec_ok` its DO bit."""

    id: int
    flags: int
    name: str
    type: int
    klass: int
    question: bytes
    payload: int = MIN_PAYLOAD
    edns: bool = False
    dnssec_ok: bool = False
    version: int = 0

    @property
    def opcode(self) -> int:
        return self.flags >> 11 & 0xF


def parse_query(data: bytes) -> Query:
    """The query in a packet. Raises MalformedMessage, for a response too."""
    if len(data) < HEADER.size:
        raise MalformedMessage("shorter than a header")
    number, flags, questions, answers, authorities, additional = HEADER.unpack_from(data)
    if flags & 0x8000:
        raise MalformedMessage("a response")
    if questions != 1:
        raise MalformedMessage("not one question")
    name, end = decode_name(data, HEADER.size)
    if end + 4 > len(data):
        raise MalformedMessage("the question is cut off")
    kind, klass = _FIXED.unpack_from(data, end)
    query = Query(number, flags, name, kind, klass, data[HEADER.size : end + 4])
    if answers + authorities + additional == 0:
        return query
    return _with_options(query, data, end + 4, answers + authorities + additional)


def _with_options(query: Query, data: bytes, at: int, count: int) -> Query:
    seen = False
    for _ in range(min(count, 64)):
        owner = at
        at = skip_name(data, at)
        if at + _RECORD.size > len(data):
            raise MalformedMessage("a record is cut off")
        kind, klass, ttl, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size + length
        if at > len(data):
            raise MalformedMessage("a record is cut off")
        if kind == Type.OPT:
            if seen or data[owner] != 0:
                raise MalformedMessage("a wrong OPT record")
            seen = True
            payload = min(max(klass, MIN_PAYLOAD), MAX_PAYLOAD)
            query = query._replace(payload=payload, edns=True, dnssec_ok=bool(ttl & 0x8000), version=ttl >> 16 & 0xFF)
    return query


def question_end(data: bytes) -> int:
    """Where the first question of a message ends. Raises MalformedMessage."""
    end = skip_name(data, HEADER.size) + 4
    if end > len(data):
        raise MalformedMessage("the question is cut off")
    return end


def refusal(data: bytes, rcode: Rcode) -> bytes:
    """The answer to bytes that could not be read: header only; b"" if not even that much came, or it was a response."""
    if len(data) < HEADER.size or data[2] & 0x80:
        return b""
    number, flags = _FIXED.unpack_from(data)
    return HEADER.pack(number, 0x8000 | flags & 0x7900 | rcode, 0, 0, 0, 0)
