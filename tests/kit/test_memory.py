"""Memory is given back when there is much of it, and only then."""

from __future__ import annotations

import pytest

from pilothouse.kit import memory
from pilothouse.kit.tasks import TaskScope
from pilothouse.testing.clock import VirtualClock

MB = 1 << 20


@pytest.mark.parametrize(
    ("sizes", "times"),
    [
        ([100, 110, 200, 220], 0),
        ([100, 300, 310, 320], 1),
        ([100, 300, 450, 600], 3),
        ([300, 100, 220, 240], 1),
    ],
)
async def test_only_growth_is_given_back(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, sizes: list[int], times: int
) -> None:
    given: list[int] = []

    class Library:
        def malloc_trim(self, pad: int) -> int:
            given.append(pad)
            return 1

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Library())
    began = clock.monotonic()

    def resident() -> int:
        return sizes[int(clock.monotonic() - began) // 30] * MB

    async with TaskScope("memory") as scope:
        scope.spawn(memory.give_back_for_ever(clock, resident), "memory")
        await clock.sleep(30 * (len(sizes) - 1) + 1)
    assert len(given) == times


def test_what_a_process_holds() -> None:
    assert memory.resident_bytes() > 10 * MB
