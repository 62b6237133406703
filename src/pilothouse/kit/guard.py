"""The one door to work that must stop nothing but itself: callbacks, handlers of one object, rounds of a loop.

Whoever tells many listeners, or works through many objects, calls them through here. What they raise is logged with its
traceback and counted under the place it came from (`pilothouse_failures_total`); the next one has its turn. What a
caller knows how to answer it catches by type; only what nobody foresaw ends here.
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import ParamSpec, TypeVar, TypeVarTuple, Unpack

from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry

P = ParamSpec("P")
T = TypeVar("T")
X = TypeVar("X")
Y = TypeVar("Y")
Args = TypeVarTuple("Args")
log = logging.getLogger(__name__)

_failures: collections.Counter[str] = collections.Counter()
# A loop that failed is begun again after so many seconds.
PAUSE = 1.0
# So many failures of a place are told with their tracebacks: what fails for ever shall not fill the disk.
_TRACED = 100


def failures() -> collections.Counter[str]:
    """How often something failed in this process, by place."""
    return _failures.copy()


def failed(place: str, subject: object, failure: BaseException) -> None:
    """Log and count a failure that somebody else isolated; `subject` says what was worked on."""
    _failures[place] += 1
    shown = str(subject)[:300]
    if _failures[place] <= _TRACED:
        log.error("%s failed: %s", place, shown, exc_info=failure)
    else:
        log.error("%s failed: %s: %r", place, shown, failure)


def call(place: str, subject: object, work: Callable[[Unpack[Args]], object], *args: *Args) -> Exception | None:
    """Call `work`; answer what it raised instead of raising it."""
    try:
        work(*args)
    except Exception as failure:  # noqa: BLE001  # this is the door
        failed(place, subject, failure)
        return failure
    return None


def each(
    place: str,
    items: Iterable[X],
    work: Callable[[X], object],
    otherwise: Callable[[X, Exception], object] | None = None,
) -> None:
    """Call `work` with each item, whatever it raises for some; those are given to `otherwise`, which must not raise.
    Costs nothing for those that go well."""
    rest = iter(items)
    while True:
        item: object = None
        try:
            for item in rest:
                work(item)
        except Exception as failure:  # noqa: BLE001  # this is the door
            failed(place, item, failure)
            if otherwise is not None:
                otherwise(item, failure)  # type: ignore[arg-type]  # the iteration itself raises nothing
        else:
            return


def tell(place: str, about: object, listeners: Iterable[Callable[[X, Y], object]], first: X, second: Y) -> None:
    """Call each listener with the same two arguments, whatever it raises; failures are told as `about`."""
    rest = iter(listeners)
    while True:
        try:
            for listener in rest:
                listener(first, second)
        except Exception as failure:  # noqa: BLE001  # this is the door
            failed(place, about, failure)
        else:
            return


def answer(place: str, subject: object, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T | Exception:
    """What `work` answers, or what it raised."""
    try:
        return work(*args, **options)
    except Exception as failure:  # noqa: BLE001  # this is the door
        failed(place, subject, failure)
        return failure


async def result(
    place: str, subject: object, work: Awaitable[T], passing: tuple[type[Exception], ...] = ()
) -> T | Exception:
    """What `work` answers when awaited, or what it raised; exceptions of the types in `passing` are raised."""
    try:
        return await work
    except passing:
        raise
    except Exception as failure:  # noqa: BLE001  # this is the door
        failed(place, subject, failure)
        return failure


async def lasting(place: str, run: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """A loop that is to run for ever: begun again a moment after it failed; ends when `run` does, or is cancelled."""
    while await result(place, "it is begun again", run()) is not None:
        await clock.sleep(PAUSE)


def expose(registry: Registry) -> None:
    """Add the count to `registry`."""
    registry.read(
        "pilothouse_failures_total",
        "Failures that stopped only what was worked on, by place.",
        lambda: {(place,): float(count) for place, count in _failures.items()},
        ("place",),
        kind="counter",
    )
