"""Memory discipline: the cycle collector must not walk through what lives for ever.

What the caches hold is no part of a cycle and unknown to the collector (`gc=False` Structs, dictionaries of text). What
remains is modules and types, made while starting: they are frozen, and the collector looks only at what came after.

A large request may make a million containers, which are gone a moment later. While they live, the collector looks at
few of them at a time, as nothing else runs meanwhile; through everything it looks when no such request is at work.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import pathlib
from collections.abc import Callable

from pilothouse.kit.clock import Clock

# A collection of the youngest generation per so many new containers: the default of 700 costs 3 % under load. Of the
# middle one per so many of these, which takes 10 ms. Of everything per so many of these again, where it never rests.
_YOUNG, _MIDDLE, _OLD = 20_000, 3, 130
# As many collections of the middle generation are worth one of everything in a moment of rest.
_WORTH = 40
# Seconds between two looks for memory that can be given back.
_PERIOD = 30.0
_GROWTH = 128 << 20


def settle() -> None:
    """Call once, when a process has started: frees the garbage of starting and takes the rest out of sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def rest() -> None:
    """Call when the last large piece of work is over: looks through everything if there is cause to, as nothing is
    alive that would make it long."""
    if gc.get_count()[2] >= _WORTH:
        gc.collect()


async def give_back_for_ever(clock: Clock, resident: Callable[[], int] | None = None) -> None:
    """A task of processes that serve many: what thousands of clients took does not stay with the allocator when they
    are gone. Ends at once where the C library cannot give back. `resident` tells the bytes that the process holds.

    What was given back has to be faulted in again when it is needed, which costs the loop 100 ms and more: it is done
    only after the process has grown by `_GROWTH` since it was done last.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    told = resident or resident_bytes
    least = told()
    while trim is not None:
        await clock.sleep(_PERIOD)
        now = told()
        if now - least > _GROWTH:
            await asyncio.get_running_loop().run_in_executor(None, trim, 0)
            now = least = told()
        least = min(least, now)


def resident_bytes() -> int:
    """What of the process lies in memory; 0 where the system does not tell."""
    try:
        pages = pathlib.Path("/proc/self/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
