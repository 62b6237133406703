"""The pytest plugin: the fixture `clock`, and the virtual loop for every test that takes it.

Loaded by `pytest_plugins = ["pilothouse.testing.plugin"]` in a top-level conftest. A test that takes `clock`, itself or
through a fixture, runs on virtual time: plain asyncio timeouts included. All others run on the machine's time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import pytest_asyncio

from pilothouse.testing.clock import VirtualClock, VirtualLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loop a test runs on."""
    if "clock" in getattr(item, "fixturenames", ()):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest_asyncio.fixture
async def clock() -> VirtualClock:
    """The clock of this test's loop, at 2026-01-01T00:00:00Z. In a test that is not async it moves by `jump` only."""
    loop = asyncio.get_running_loop()
    return loop.clock if isinstance(loop, VirtualLoop) else VirtualClock()
