"""Memory discipline: the cycle collector must not walk through what lives for ever.

What the caches hold is no part of a cycle and unknown to the collector (`gc=False` Structs, dictionaries of text). What
remains is modules and types, made while starting: they are frozen, and the collector looks only at what came after.
"""

from __future__ import annotations

import gc

# A collection of the youngest generation per so many new containers: the default of 700 costs 3 % under load.
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20


def settle() -> None:
    """Call once, when a process has started: frees the garbage of starting and takes the rest out of sight."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
