"""Sends hostile requests to a control plane and keeps what must not be: answers of 5xx, and none at all."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from pilothouse.kit.clock import SystemClock
from tests.torture.cluster import ControlPlane
from tests.torture.hostile import Attempt, attempts
from tests.torture.recorded_failures import is_recorded
from tests.torture.wire import dial

# Seconds: for an answer that is owed, and for one that may come.
PATIENCE, HOPE = 20.0, 0.3
PAUSE = 0.01
CLOCK = SystemClock()
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r]*\r\n(.*?)\r\n\r\n", re.DOTALL)


@dataclass
class Findings:
    """What came of an attack."""

    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[tuple[Attempt, int, bytes]] = field(default_factory=list)
    """Answers of 5xx that the real server does not give: the attempt, the status, the body."""
    unanswered: list[Attempt] = field(default_factory=list)
    """Attempts whose sender waited for an answer and got none."""
    sent: int = 0


class Attacker:
    """One hostile client: it keeps its connection as long as the server does."""

    def __init__(self, plane: ControlPlane, findings: Findings) -> None:
        self._plane, self._findings = plane, findings
        self._contexts = {known: plane.context(known) for known in (True, False)}
        self._open: dict[bool, tuple[asyncio.StreamReader, asyncio.Transport]] = {}

    async def send(self, attempt: Attempt) -> None:
        self._findings.sent += 1
        keep = False
        try:
            async with asyncio.timeout(PATIENCE if attempt.ending != "half" else HOPE):
                keep = await self._exchange(attempt)
        except ConnectionError:
            pass  # refused on the way: what was answered counts
        except TimeoutError:
            if attempt.ending != "half":
                self._findings.unanswered.append(attempt)
        if not keep or attempt.ending != "answer":
            self._leave(attempt.known)

    async def _exchange(self, attempt: Attempt) -> bool:
        """Whether the connection can be used again."""
        reader, writer = await self._connection(attempt.known)
        for piece in attempt.pieces:
            writer.write(piece)
            if attempt.ending == "drip":
                await CLOCK.sleep(PAUSE)
        return attempt.ending in ("answer", "half") and await self._answers(attempt, reader)

    def close(self) -> None:
        for known in list(self._open):
            self._leave(known)

    async def _connection(self, known: bool) -> tuple[asyncio.StreamReader, asyncio.Transport]:
        if known not in self._open:
            self._open[known] = await dial(self._plane.port, self._contexts[known])
        return self._open[known]

    def _leave(self, known: bool) -> None:
        if known in self._open:
            self._open.pop(known)[1].abort()

    async def _answers(self, attempt: Attempt, reader: asyncio.StreamReader) -> bool:
        """Read what the attempt is owed; whether the connection can be used again."""
        headless = attempt.pieces[0].startswith(b"HEAD ")
        for number in range(attempt.answers):
            try:
                status, body, more = await _answer(reader, headless)
            except asyncio.IncompleteReadError:
                if number == 0 and attempt.ending == "answer":
                    self._findings.unanswered.append(attempt)
                return False
            self._findings.statuses[status] += 1
            if status >= 500 and not is_recorded(status, body):
                self._findings.failures.append((attempt, status, body))
            if not more:
                return False
        return True


async def _answer(reader: asyncio.StreamReader, headless: bool) -> tuple[int, bytes, bool]:
    """Status and body of the next answer, and whether another may follow."""
    head = await reader.readuntil(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 100 "):
        head = await reader.readuntil(b"\r\n\r\n")
    found = _HEAD.fullmatch(head)
    assert found is not None, head[:500]
    status = int(found[1])
    headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in found[2].split(b"\r\n"))}
    if status == 101:
        return status, b"", False
    body, more = b"", headers.get(b"connection", b"").lower() != b"close"
    if headless or status in (204, 304):
        pass
    elif headers.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readline(), 16):
            body = (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass
    elif b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    else:
        body, more = await reader.read(-1), False
    return status, body, more


async def attack(plane: ControlPlane, seed: int, count: int, clients: int = 8) -> Findings:
    """`count` hostile requests, by so many clients at a time; each client has a seed of its own."""
    findings = Findings()

    async def work(stream: Iterator[Attempt]) -> None:
        attacker = Attacker(plane, findings)
        for attempt in stream:
            await attacker.send(attempt)
        attacker.close()

    share = -(-count // clients)
    streams = [itertools.islice(attempts(seed * 1000 + number), share) for number in range(clients)]
    await asyncio.gather(*map(work, streams))
    return findings
