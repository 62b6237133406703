"""The pytest plugin: the fixture `clock`, the virtual loop for every test that takes it, and a guard over caches.

Loaded by `pytest_plugins = ["pilothouse.testing.plugin"]` in a top-level conftest. A test that takes `clock`, itself or
through a fixture, runs on virtual time: plain asyncio timeouts included. All others run on the machine's time.

After every test, each object that a cache decoded or was given is encoded again and compared with its bytes: who
changes what is shared (a map inside a frozen object) fails the test that did it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from pilothouse.apiserver.generic.storage import CachedObject
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


# A test that goes through more objects than this is about their number.
_GUARDED = 2000


@pytest.fixture(autouse=True)
def _shared_objects_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    seen: list[tuple[CachedObject, Any]] = []
    remember = CachedObject.remember

    def remembering(item: CachedObject, obj: Any) -> None:
        if len(seen) < _GUARDED:
            seen.append((item, obj))
        remember(item, obj)

    monkeypatch.setattr(CachedObject, "remember", remembering)
    yield
    for item, obj in seen:
        assert item.form.value(obj) == unversioned(item), f"somebody changed the shared object {item.key}"


def unversioned(item: CachedObject) -> bytes:
    """The bytes that the store has: without the resourceVersion, which is the first of the metadata (a dry run's
    object has none)."""
    start = b'"metadata":{'
    versioned = start + b'"resourceVersion":"'
    if not item.tail.startswith(versioned):
        return item.wire
    rest = item.tail[item.tail.index(b'"', len(versioned)) + 1 :].removeprefix(b",")
    return item.form.head + start + rest
