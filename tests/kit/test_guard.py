"""What fails stops nothing but itself, and is told."""

from __future__ import annotations

import logging

import pytest

from pilothouse.kit import guard
from pilothouse.kit.metrics import Registry
from pilothouse.testing.clock import VirtualClock


def odd(number: int) -> None:
    if number % 2 == 0:
        raise ValueError(f"{number} is even")


def test_each_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    before, failed = guard.failures()["numbers"], []
    guard.each("numbers", range(5), odd, lambda number, failure: failed.append((number, str(failure))))
    assert failed == [(0, "0 is even"), (2, "2 is even"), (4, "4 is even")]
    assert guard.failures()["numbers"] == before + 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 3
    registry = Registry()
    guard.expose(registry)
    assert f'pilothouse_failures_total{{place="numbers"}} {before + 3}' in registry.text()


def test_tell_reaches_every_listener() -> None:
    heard: list[tuple[str, int]] = []

    def failing(who: str, number: int) -> None:
        raise ValueError(who)

    def listening(who: str, number: int) -> None:
        heard.append((who, number))

    before = guard.failures()["numbers"]
    guard.tell("numbers", "both", [listening, failing, listening], "one", 1)
    assert heard == [("one", 1)] * 2
    assert guard.failures()["numbers"] == before + 1


def test_call_answers_what_was_raised() -> None:
    assert guard.call("numbers", "one", odd, 1) is None
    assert isinstance(guard.call("numbers", "two", odd, 2), ValueError)
    assert guard.answer("numbers", "three", lambda: 3) == 3
    assert isinstance(guard.answer("numbers", "none", lambda: {}["x"]), KeyError)


async def test_result_lets_pass_what_it_is_told_to() -> None:
    async def failing() -> None:
        raise KeyError("x")

    assert isinstance(await guard.result("numbers", "x", failing()), KeyError)
    with pytest.raises(KeyError):
        await guard.result("numbers", "x", failing(), (KeyError,))


async def test_a_lasting_loop_begins_again(clock: VirtualClock) -> None:
    rounds: list[int] = []

    async def loop() -> None:
        rounds.append(len(rounds))
        if len(rounds) < 3:
            raise RuntimeError("not yet")

    before = clock.monotonic()
    await guard.lasting("a loop", loop, clock)
    assert rounds == [0, 1, 2]
    assert clock.monotonic() == before + 2 * guard.PAUSE
