"""Room on the interpreter's stack for walks over deeply nested documents.

Python gives up after 1,000 calls within calls by default, which has nothing to do with what the machine bears: frames
of Python functions lie on the heap. A walk takes up to ten of them for a level of a document.
"""

from __future__ import annotations

import sys
import threading

FRAMES = 8_000
"""Calls within calls: ten for each of 500 levels, and what lies below a walk."""
_THREAD_BYTES = 16 * 1024 * 1024


def deepen() -> None:
    """Give the interpreter and threads begun from now on that much room; never less than they have."""
    if sys.getrecursionlimit() < FRAMES:
        sys.setrecursionlimit(FRAMES)
        threading.stack_size(_THREAD_BYTES)
