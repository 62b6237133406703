"""What a scope owns ends in order."""

from __future__ import annotations

import asyncio

import pytest

from pilothouse.kit.tasks import TaskScope


async def test_what_tasks_use_is_closed_after_them_the_last_first() -> None:
    order: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            order.append("task")

    async def close(name: str) -> None:
        order.append(name)

    async with TaskScope("s") as scope:
        scope.at_end(lambda: close("store"), "store")
        scope.at_end(lambda: close("server"), "server")
        scope.spawn(work(), "work")
        await asyncio.sleep(0)
    assert order == ["task", "server", "store"]
    await scope.close()
    assert len(order) == 3


async def test_one_that_does_not_close_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[str] = []

    async def good() -> None:
        closed.append("good")

    async def bad() -> None:
        raise OSError("no")

    scope = TaskScope("s")
    scope.at_end(good, "good")
    scope.at_end(bad, "bad")
    with pytest.raises(OSError, match="no"):
        await scope.__aexit__(None, None, None)
    assert closed == ["good"]
    assert "task s/bad failed" in caplog.text
