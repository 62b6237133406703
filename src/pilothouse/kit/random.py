"""The one door to chance, so that a run can be replayed from its seed."""

from __future__ import annotations

import random
import uuid

# The API's alphabet for generated names: no vowels and no look-alikes, so that no words come out.
NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


class Chance:
    """A source of randomness; seeded, it repeats itself."""

    def __init__(self, seed: int | None = None) -> None:
        self._random: random.Random = random.SystemRandom() if seed is None else random.Random(seed)

    def name_suffix(self, length: int = 5) -> str:
        """Characters for a generated name."""
        return "".join(self._random.choices(NAME_ALPHABET, k=length))

    def uid(self) -> str:
        """A version 4 UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def jitter(self, base: float, factor: float) -> float:
        """A duration from `base` to `base * (1 + factor)`."""
        return base * (1 + factor * self._random.random())

    def below(self, limit: int) -> int:
        """An integer from 0 to `limit - 1`."""
        return self._random.randrange(limit)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)
