"""Questions that are not the cluster's go to the node's own resolvers: UDP first, TCP when an answer is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from pilothouse.dns.cache import AnswerCache
from pilothouse.dns.resolv import Upstream
from pilothouse.dns.wire import HEADER, Query
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance

log = logging.getLogger(__name__)
TRY_SECONDS = 2.0
TRIES = 3
MAX_IN_FLIGHT = 1000


class UpstreamFailed(Exception):
    """Nobody answered in time, or there is nobody to ask."""


class _OneAnswer(asyncio.DatagramProtocol):
    """Takes the first datagram that answers the query we sent: same id, same question, to the letter."""

    def __init__(self, sent: bytes, question: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._id, self._question = sent[:2], question

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self.answer.done() and _answers(data, self._id, self._question):
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(UpstreamFailed(str(error)))


def _answers(data: bytes, number: bytes, question: bytes) -> bool:
    if len(data) < HEADER.size or data[:2] != number or not data[2] & 0x80:
        return False
    return data[HEADER.size : HEADER.size + len(question)] == question


class Forwarder:
    """Asks `upstreams` in their order; one that fails goes to the end. At most `MAX_IN_FLIGHT` questions at a time."""

    def __init__(self, upstreams: Sequence[Upstream], clock: Clock, chance: Chance, cache: AnswerCache) -> None:
        self._upstreams = list(upstreams)
        self._clock = clock
        self._chance = chance
        self._cache = cache
        self._in_flight = 0

    @property
    def upstreams(self) -> Sequence[Upstream]:
        return self._upstreams

    def replace_upstreams(self, upstreams: Sequence[Upstream]) -> None:
        """The node's resolvers changed."""
        self._upstreams = list(upstreams)

    def cached(self, query: Query) -> bytes | None:
        return self._cache.get(query, self._clock.monotonic())

    async def ask(self, query: Query, packet: bytes, over_tcp: bool) -> bytes:
        """The answer to a client's packet, with the client's id. Raises UpstreamFailed."""
        if self._in_flight >= MAX_IN_FLIGHT:
            raise UpstreamFailed("too many questions under way")
        self._in_flight += 1
        try:
            answer = await self._ask_in_turn(query, packet, over_tcp)
        finally:
            self._in_flight -= 1
        self._cache.put(query, answer, self._clock.monotonic())
        return packet[:2] + answer[2:]

    async def _ask_in_turn(self, query: Query, packet: bytes, over_tcp: bool) -> bytes:
        failure = UpstreamFailed("no upstream resolver")
        for upstream in list(self._upstreams)[:TRIES]:
            sent = self._chance.bytes(2) + packet[2:]
            try:
                async with self._clock.timeout(TRY_SECONDS):
                    exchange = self._exchange_tcp if over_tcp else self._exchange_udp
                    answer = await exchange(upstream, sent, query.question)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, UpstreamFailed) as error:
                failure = UpstreamFailed(f"{upstream.ip}: {error or 'no answer in time'}")
                self._demote(upstream)
                continue
            return answer
        raise failure

    def _demote(self, upstream: Upstream) -> None:
        with contextlib.suppress(ValueError):
            self._upstreams.remove(upstream)
            self._upstreams.append(upstream)

    async def _exchange_udp(self, upstream: Upstream, sent: bytes, question: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _OneAnswer(sent, question), remote_addr=(upstream.ip, upstream.port)
        )
        try:
            transport.sendto(sent)
            return await protocol.answer
        finally:
            transport.close()

    async def _exchange_tcp(self, upstream: Upstream, sent: bytes, question: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(upstream.ip, upstream.port)
        try:
            writer.write(len(sent).to_bytes(2, "big") + sent)
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = await reader.readexactly(size)
        finally:
            writer.close()
        if not _answers(answer, sent[:2], question):
            raise UpstreamFailed("an answer to something else")
        return answer
