"""Heads that do not end: what they take in all, and that others are answered meanwhile."""

from __future__ import annotations

import asyncio

from pilothouse.kit.http.head_budget import HeadBudget
from pilothouse.kit.http.limits import Limits
from pilothouse.kit.http.messages import Response
from pilothouse.testing.http import serving


class Holder:
    def __init__(self) -> None:
        self.cut = False

    def cut_off(self) -> None:
        self.cut = True


def test_the_oldest_goes_when_there_is_too_much() -> None:
    budget, (first, second, third) = HeadBudget(100), (Holder(), Holder(), Holder())
    budget.grown(first, 40)
    budget.grown(second, 50)
    budget.grown(first, 50)
    assert (budget.taken, first.cut) == (100, False)
    budget.grown(third, 1)
    assert (budget.taken, first.cut, second.cut, third.cut) == (51, True, False, False)
    budget.released(second)
    budget.released(first)
    assert budget.taken == 1


def test_one_that_is_too_much_by_itself_goes() -> None:
    budget, holder = HeadBudget(100), Holder()
    budget.grown(holder, 101)
    assert (holder.cut, budget.taken) == (True, 0)


async def test_strangers_hold_no_more_than_the_budget(secure: bool) -> None:
    """A hundred unfinished heads of 0.9 MB: those that began first are cut off; a head that comes whole is answered,
    however large."""
    limits = Limits(heads_bytes=8 << 20)
    async with serving(lambda request: Response(200, b"hello"), limits, secure=secure) as served:
        slow = [await served.connect() for _ in range(100)]
        ended = [asyncio.ensure_future(peer.rest()) for peer in slow]
        piece = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 900_000
        for peer in slow:
            peer.writer.write(piece)
        while sum(task.done() for task in ended) < 90:
            await asyncio.wait([task for task in ended if not task.done()], return_when=asyncio.FIRST_COMPLETED)
        assert served.server.heads.taken <= 8 << 20
        other = await served.connect()
        large = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 900_000 + b"\r\n\r\n"
        assert (await other.exchange(large))[2] == b"hello"
        assert (await other.exchange(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"))[2] == b"hello"
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
    assert served.server.heads.taken == 0
