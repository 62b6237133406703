"""A small memory of other servers' answers. Pure: told the time."""

from __future__ import annotations

from collections import OrderedDict

from pilothouse.dns.wire import HEADER, MalformedMessage, Query, Rcode, aged, shortest_ttl

_KEPT = (Rcode.NOERROR, Rcode.NXDOMAIN)
_Key = tuple[str, int, int, bool, int]
# Seconds: an answer is kept as long as its owner allows, but not so long that a mistake outside stays for hours.
MAX_AGE = 30
MAX_DENIAL_AGE = 5
_CHECKING_DISABLED = 0x0010


def _key(query: Query) -> _Key:
    return query.name, query.type, query.klass, query.dnssec_ok, query.flags & _CHECKING_DISABLED


class AnswerCache:
    """At most `size` answers, the least recently used goes first."""

    def __init__(self, size: int = 4096) -> None:
        self._size = size
        self._kept: OrderedDict[_Key, tuple[float, float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, query: Query, now: float) -> bytes | None:
        """The kept answer, with its TTLs lowered and the id and question of this query."""
        found = self._kept.get(_key(query))
        if found is None:
            return None
        since, until, message = found
        if now >= until:
            del self._kept[_key(query)]
            return None
        self._kept.move_to_end(_key(query))
        message = aged(message, int(now - since))
        start, end = HEADER.size, HEADER.size + len(query.question)
        return query.id.to_bytes(2, "big") + message[2:start] + query.question + message[end:]

    def put(self, query: Query, message: bytes, now: float) -> None:
        """Keep an answer, if it is one that may be kept: whole, no failure, well-formed."""
        rcode, truncated = message[3] & 0xF, message[2] & 0x02
        if truncated or rcode not in _KEPT:
            return
        try:
            ttl = shortest_ttl(message)
        except MalformedMessage:
            return
        denial = rcode == Rcode.NXDOMAIN or HEADER.unpack_from(message)[3] == 0
        seconds = min(ttl or 0, MAX_DENIAL_AGE if denial else MAX_AGE)
        if seconds <= 0:
            return
        self._kept[_key(query)] = (now, now + seconds, message)
        self._kept.move_to_end(_key(query))
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
