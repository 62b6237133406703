"""Keys in order, in chunks: adding or removing one costs the same among a hundred and a hundred thousand."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

# Half of it to twice of it in a chunk: moves stay in the processor's cache, the list of chunks stays short.
_CHUNK = 512


class SortedKeys:
    """A sorted set of texts."""

    def __init__(self) -> None:
        self._chunks: list[list[str]] = []
        self._last: list[str] = []
        """The largest key of each chunk."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: str) -> None:
        """The key must be new."""
        self._count += 1
        if not self._chunks:
            self._chunks.append([key])
            self._last.append(key)
            return
        place = min(bisect.bisect_left(self._last, key), len(self._chunks) - 1)
        chunk = self._chunks[place]
        bisect.insort(chunk, key)
        if len(chunk) > 2 * _CHUNK:
            # Keys often come in order: then the first part stays full and the second grows.
            cut = len(chunk) - _CHUNK // 2 if chunk[-1] is key else _CHUNK
            self._chunks.insert(place + 1, chunk[cut:])
            del chunk[cut:]
            self._last.insert(place, chunk[-1])
            place += 1
        self._last[place] = self._chunks[place][-1]

    def remove(self, key: str) -> None:
        """The key must be there."""
        place = bisect.bisect_left(self._last, key)
        chunk = self._chunks[place]
        del chunk[bisect.bisect_left(chunk, key)]
        self._count -= 1
        if not chunk:
            del self._chunks[place]
            del self._last[place]
            return
        self._last[place] = chunk[-1]
        if len(chunk) < _CHUNK // 2 and place + 1 < len(self._chunks) and len(self._chunks[place + 1]) < _CHUNK:
            chunk += self._chunks.pop(place + 1)
            del self._last[place]

    def slices(self, first: str, end: str) -> Iterator[list[str]]:
        """The keys from `first` up to `end` (exclusive; empty: no end), in order, in pieces."""
        place = bisect.bisect_left(self._last, first)
        while place < len(self._chunks):
            chunk = self._chunks[place]
            low = bisect.bisect_left(chunk, first) if chunk[0] < first else 0
            if end and chunk[-1] >= end:
                yield chunk[low : bisect.bisect_left(chunk, end)]
                return
            yield chunk[low:] if low else chunk
            place += 1

    def count(self, first: str, end: str) -> int:
        """How many keys lie from `first` up to `end` (exclusive; empty: no end)."""
        return self._rank(end) - self._rank(first) if end else self._count - self._rank(first)

    def _rank(self, key: str) -> int:
        place = bisect.bisect_left(self._last, key)
        before = sum(map(len, self._chunks[:place]))
        return before + bisect.bisect_left(self._chunks[place], key) if place < len(self._chunks) else before
