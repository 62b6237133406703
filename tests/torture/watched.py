"""Runs a daemon of the house with every callback of its loop watched.

    python watched.py FILE PILOTHOUSE-ARGUMENTS...

FILE gets a line for each callback that held the loop: how many seconds the process can be blamed for, how many of CPU
time the callback worked itself, what the cycle collector took, and what it was. The loop is asyncio's own, whose
callbacks can be watched; what they do is the same.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from typing import Any

# Seconds; half of what a callback may take, so that the file tells how near it came.
TOLD = 0.010


def blame(clock: float, whole: float, own: float) -> float:
    """Seconds that a callback held the loop by what this process does, however busy the machine is: what it worked
    itself, or what kept the interpreter from it. `clock`: how long it took; `whole`: the CPU time of the process
    meanwhile; `own`: that of the loop's thread. Another thread that works meanwhile has as much of the interpreter as
    the callback, and no more, unless it does not hand it over."""
    return max(own, min(clock, whole) - own - own)


class Collector:
    """The time that the cycle collector has taken, in whichever thread: no other runs meanwhile."""

    def __init__(self) -> None:
        self.seconds = self._begun = 0.0
        gc.callbacks.append(self._heard)

    def _heard(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._begun = time.perf_counter()
        else:
            self.seconds += time.perf_counter() - self._begun


def watch(file: int) -> None:
    run, collector = asyncio.Handle._run, Collector()

    def watched(handle: asyncio.Handle) -> None:
        frame = _frame(handle)
        collected = collector.seconds
        clock, whole, own = time.perf_counter(), time.process_time(), time.thread_time()
        run(handle)
        held = time.perf_counter() - clock
        if held > TOLD:
            own, collected = time.thread_time() - own, collector.seconds - collected
            held = blame(held, time.process_time() - whole, own)
        if held > TOLD:
            os.write(file, f"{held:.4f} {own:.4f} {collected:.4f} {_told(handle, frame)}\n".encode())

    asyncio.Handle._run = watched  # type: ignore[method-assign]


def _task(handle: asyncio.Handle) -> Any:
    """The task that a callback goes on with, None if it is none's."""
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return task if isinstance(task, asyncio.Task) else None


def _frame(handle: asyncio.Handle) -> Any:
    task = _task(handle)
    return getattr(task.get_coro(), "cr_frame", None) if task is not None else None


def _told(handle: asyncio.Handle, frame: Any) -> str:
    return f"{_subject(handle, frame)}; threads: {_threads()}"


def _threads() -> str:
    """Where the other threads are: one of them may have kept the interpreter."""
    own = threading.get_ident()
    tops = [frame for number, frame in sys._current_frames().items() if number != own]
    found = []
    for top in tops:
        names: list[str] = []
        at: Any = top
        while at is not None and len(names) < 4:
            names.append(f"{at.f_code.co_name}:{at.f_lineno}")
            at = at.f_back
        if "_worker" not in names[0]:
            found.append("<".join(names))
    return " | ".join(found) or "idle"


def _subject(handle: asyncio.Handle, frame: Any) -> str:
    request = frame.f_locals.get("request") if frame is not None else None
    if request is not None:
        return f"{request.method} {request.target!r} {request.length} {request.header(b'content-type')!r}"[:300]
    return " ".join(repr(_task(handle) or handle._callback).split())[:300]  # type: ignore[attr-defined]


if __name__ == "__main__":
    watch(os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    sys.modules["uvloop"] = None  # type: ignore[assignment]
    from pilothouse.__main__ import main

    sys.argv[1:2] = []
    sys.exit(main())
