"""Reading answers of other servers: as little of them as forwarding needs."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.dns.wire.message import HEADER, Type, question_end
from pilothouse.dns.wire.names import MalformedMessage, decode_name, skip_name
from pilothouse.dns.wire.records import Address, Alias, Record

_RECORD = struct.Struct("!HHIH")
_TTL = struct.Struct("!I")


class _Place(NamedTuple):
    """Where a record stands: its owner, its fixed part, its data and the end of it."""

    owner: int
    fixed: int
    data: int
    end: int
    type: int
    ttl: int


def _places(message: bytes) -> Iterator[_Place]:
    counts = HEADER.unpack_from(message)
    at = question_end(message) if counts[2] else HEADER.size
    for _ in range(sum(counts[3:])):
        fixed = skip_name(message, at)
        if fixed + _RECORD.size > len(message):
            raise MalformedMessage("a record is cut off")
        kind, _, ttl, length = _RECORD.unpack_from(message, fixed)
        start = fixed + _RECORD.size
        if start + length > len(message):
            raise MalformedMessage("a record is cut off")
        yield _Place(at, fixed, start, start + length, kind, ttl)
        at = start + length


def shortest_ttl(message: bytes) -> int | None:
    """The smallest TTL of a message in seconds; None if it has no records. Raises MalformedMessage."""
    return min((p.ttl for p in _places(message) if p.type != Type.OPT), default=None)


def aged(message: bytes, seconds: int) -> bytes:
    """A message that was kept for some time: its TTLs are that much shorter."""
    if seconds <= 0:
        return message
    changed = bytearray(message)
    for place in _places(message):
        if place.type != Type.OPT:
            _TTL.pack_into(changed, place.fixed + 4, max(0, place.ttl - seconds))
    return bytes(changed)


def addresses_in(message: bytes) -> list[Record]:
    """The addresses and aliases in an answer. Raises MalformedMessage."""
    found: list[Record] = []
    for place in _places(message):
        owner, data = decode_name(message, place.owner)[0], message[place.data : place.end]
        if place.type == Type.CNAME:
            found.append(Alias(owner, decode_name(message, place.data)[0]))
        elif place.type in (Type.A, Type.AAAA) and len(data) in (4, 16):
            found.append(Address(owner, str(ipaddress.ip_address(data))))
    return found
