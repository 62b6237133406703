from __future__ import annotations

import asyncio

from pilothouse.kit.http.write_scheduler import WriteScheduler


async def test_a_turn_of_the_loop_has_its_share_and_all_get_theirs_in_order() -> None:
    turns = WriteScheduler(limit=3)
    written: list[tuple[int, int]] = []
    round_of_the_loop = 0

    async def send(who: int, blocks: int) -> None:
        for _ in range(blocks):
            await turns.take()
            written.append((round_of_the_loop, who))

    tasks = [asyncio.create_task(send(who, 4)) for who in range(5)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        round_of_the_loop += 1
    rounds = [n for n, _ in written]
    # What is let go at the end of one turn runs in the next, beside that one's own share.
    assert max(rounds.count(n) for n in rounds) <= 6
    assert sorted(who for _, who in written) == [who for who in range(5) for _ in range(4)]
    first = {who: next(i for i, (_, w) in enumerate(written) if w == who) for who in range(5)}
    assert list(first.values()) == sorted(first.values())


async def test_who_gives_up_takes_nobodys_turn() -> None:
    turns = WriteScheduler(limit=1)
    await turns.take()
    waiting = [asyncio.ensure_future(turns.take()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting[1:])
