"""An answer's bytes, cut to what the client can take."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.dns.wire.message import HEADER, Query, Rcode, Type
from pilothouse.dns.wire.names import encode_name
from pilothouse.dns.wire.records import Record

_RECORD = struct.Struct("!HHIH")
_POINTER_TO_QUESTION = b"\xc0\x0c"
_AUTHORITATIVE, _TRUNCATED, _RECURSION_AVAILABLE = 0x0400, 0x0200, 0x0080


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question gets; `ttl` holds for every record of it."""

    rcode: Rcode = Rcode.NOERROR
    answers: Sequence[Record] = ()
    authority: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    ttl: int = 5
    authoritative: bool = True


def _encode(record: Record, query: Query, ttl: int) -> bytes:
    owner = _POINTER_TO_QUESTION if record.owner == query.name else encode_name(record.owner)
    data = record.data()
    return owner + _RECORD.pack(record.type, 1, ttl, len(data)) + data


def _options(query: Query, rcode: int) -> bytes:
    if not query.edns:
        return b""
    return b"\0" + _RECORD.pack(Type.OPT, 4096, (rcode >> 4) << 24 | (0x8000 if query.dnssec_ok else 0), 0)


def build_response(query: Query, answer: Answer, limit: int) -> bytes:
    """The packet of at most `limit` bytes (at least 512): additional records that do not fit are left out, and where
    an answer or authority does not fit, the packet says so, and the client comes again over TCP."""
    options = _options(query, answer.rcode)
    room = limit - HEADER.size - len(query.question) - len(options)
    flags = 0x8000 | query.flags & 0x7900 | _RECURSION_AVAILABLE | answer.rcode & 0xF
    if answer.authoritative:
        flags |= _AUTHORITATIVE
    counts = [0, 0, 0]
    parts = [b"", query.question]
    for section, records in enumerate((answer.answers, answer.authority, answer.additional)):
        for record in records:
            encoded = _encode(record, query, answer.ttl)
            if len(encoded) > room:
                if section < 2:
                    flags |= _TRUNCATED
                break
            room -= len(encoded)
            parts.append(encoded)
            counts[section] += 1
        if flags & _TRUNCATED:
            break
    if options:
        parts.append(options)
        counts[2] += 1
    parts[0] = HEADER.pack(query.id, flags, 1, *counts)
    return b"".join(parts)
