"""Memory discipline: the cycle collector must not walk through what lives for ever.

What the caches hold is no part of a cycle and unknown to the collector (`gc=False` Structs, dictionaries of text). What
remains is modules and types, made while starting: they are frozen, and the collector looks only at what came after.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc

from pilothouse.kit.clock import Clock

# A collection of the youngest generation per so many new containers: the default of 700 costs 3 % under load.
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20
# Seconds between two looks for memory that can be given back.
_PERIOD = 30.0


def settle() -> None:
    """Call once, when a process has started: frees the garbage of starting and takes the rest out of sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


async def give_back_for_ever(clock: Clock) -> None:
    """A task of processes that serve many: what thousands of clients took does not stay with the allocator when they
    are gone. Ends at once where the C library cannot give back."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while trim is not None:
        await clock.sleep(_PERIOD)
        await asyncio.get_running_loop().run_in_executor(None, trim, 0)
