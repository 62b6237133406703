"""The one door to chance, so that a run can be replayed from its seed."""

from __future__ import annotations

import os
import random

# The API's alphabet for generated names: no vowels and no look-alikes, so that no words come out.
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Chance:
    """A source of randomness; seeded, it repeats itself.

    Names, uids and jitter need to be different, not secret: they come from a generator that the system's seeds once,
    without asking the kernel for each. `bytes` are fit for secrets, unless seeded.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(int.from_bytes(os.urandom(32), "big") if seed is None else seed)
        self._secret: random.Random = random.SystemRandom() if seed is None else self._random

    def name_suffix(self, length: int = 5) -> str:
        """Characters for a generated name."""
        return "".join(self._random.choices(NAME_ALPHABET, k=length))

    def uid(self) -> str:
        """A version 4 UUID."""
        digits = f"{self._random.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

    def jitter(self, base: float, factor: float) -> float:
        """A duration from `base` to `base * (1 + factor)`."""
        return base * (1 + factor * self._random.random())

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit - 1`."""
        return self._random.randrange(limit)

    def bytes(self, count: int) -> bytes:
        return self._secret.randbytes(count)
