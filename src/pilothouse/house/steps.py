"""Steps with a way back: what `up` does, each with what undoes it.

A step that finds its work done already reports False from `do` and is not undone: rolling back takes away only what
this run made.
"""

from __future__ import annotations

import contextlib
import errno
import pathlib
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pilothouse.kit.clock import SystemClock
from pilothouse.seams.house import HouseError, Progress

CLOCK = SystemClock()
FREE_SPACE = "free some space on the disk, then run the same command again"
TAKEN_BACK = "what it had changed so far is taken back"
_LEAST_BYTES = 1 << 20

Failures = (HouseError, OSError, ValueError)


@dataclass(frozen=True)
class Step:
    """`do` returns whether it changed anything; `undo` must bear a half-done `do`."""

    name: str
    do: Callable[[], bool]
    undo: Callable[[], None] = lambda: None


class Injected(HouseError):
    """A failure that a test asked for."""


def run(steps: Sequence[Step], progress: Progress, fail_after: str = "", interrupted: str = TAKEN_BACK) -> None:
    """Do `steps` in order; when one fails (or, for tests, after the one whose name begins so), undo those that changed
    something, the failed one first, and raise what went wrong; a KeyboardInterrupt with a sentence for the user, which
    ends with `interrupted`: how things stand then."""
    done: list[Step] = []
    at = ""
    try:
        for step in steps:
            at = step.name
            _do(step, done, progress, fail_after)
    except (KeyboardInterrupt, *Failures) as error:
        if by_interrupt(error):
            # Wherever it came, also between two steps. The one sentence is said by whoever ends the command.
            _roll_back(done, progress)
            progress.abandoned(at)
            raise KeyboardInterrupt(f"interrupted at {at!r}; {interrupted}") from None
        progress.failed(at, str(error) or type(error).__name__)
        _roll_back(done, progress)
        if isinstance(error, OSError | ValueError):
            raise HouseError(f"{at}: {error}", advice_on(error)) from error
        raise


def by_interrupt(error: BaseException) -> bool:
    """Whether `error` is an interrupt, or came of one: what an interrupted function does on its way out may fail, and
    hides it. shutil.rmtree, interrupted just after it closed a directory, closes it once more: EBADF."""
    before: BaseException | None = error
    while before is not None and not isinstance(before, KeyboardInterrupt):
        before = before.__context__
    return before is not None


def _do(step: Step, done: list[Step], progress: Progress, fail_after: str) -> None:
    """One step, which is in `done` from its beginning on unless it changed nothing."""
    progress.started(step.name)
    began = CLOCK.monotonic()
    done.append(step)
    if not step.do():
        done.pop()
    if fail_after and step.name.startswith(fail_after):
        raise Injected(f"asked to fail after {step.name!r}")
    progress.finished(step.name, CLOCK.monotonic() - began)


def lacks_space(path: pathlib.Path) -> bool:
    """Whether the disk that `path` lies on is as good as full: what SQLite says of it is not always that."""
    try:
        return shutil.disk_usage(path).free < _LEAST_BYTES
    except OSError:
        return False


def advice_on(error: OSError | ValueError) -> str:
    """What somebody can do who met `error`."""
    if isinstance(error, PermissionError):
        return "run it as root, or use --runtime simulated, which needs no root"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FREE_SPACE
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return "the file system is read-only: set PILOTHOUSE_HOME to a directory that can be written to"
    return "see `pilothouse doctor`"


def _roll_back(done: list[Step], progress: Progress) -> None:
    with _undisturbed():
        for step in reversed(done):
            try:
                step.undo()
            except Failures as error:
                progress.note(f"could not undo {step.name!r}: {error}")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Nobody gains by breaking off the way back: a second Ctrl-C waits for its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
