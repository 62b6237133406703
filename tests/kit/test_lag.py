from __future__ import annotations

import asyncio

import pytest

from pilothouse.kit.lag import LagGuard
from pilothouse.kit.metrics import Registry
from pilothouse.testing.clock import VirtualClock


async def test_measures_what_holds_the_loop(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry()
    guard = LagGuard(clock, registry)
    task = asyncio.create_task(guard.run())
    await clock.advance(1.05)
    assert guard.worst < 1e-6
    asyncio.get_running_loop().call_later(0.01, clock.jump, 0.350)
    await clock.advance(0.5)
    assert 0.25 < guard.worst < 0.35
    assert "held the event loop" in caplog.text
    assert "pilothouse_loop_lag_seconds_bucket" in registry.text()
    task.cancel()
