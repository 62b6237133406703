"""Everything in kit.http runs on asyncio's own loop and on uvloop, and means the same there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]] | None:
    """Both loops, except for tests on virtual time."""
    if "clock" in getattr(item, "fixturenames", ()):
        return None
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)
