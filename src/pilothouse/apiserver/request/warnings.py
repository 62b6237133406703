"""What a client is warned of, as upstream's recorder of warnings (endpoints/filters/warning.go) limits it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

MOST_CHARACTERS = 4 * 1024
LONGEST_WHEN_MANY = 256


class Warnings(list[str]):
    """Texts in the order they came, each once. When all of them have more than MOST_CHARACTERS, each is cut to
    LONGEST_WHEN_MANY, and what comes after MOST_CHARACTERS of these is dropped: one object can give cause for millions.
    """

    # Few requests have any: those that have none pay nothing but for a list.
    _seen: frozenset[str] | set[str] = frozenset()
    _size = 0
    _cutting = False

    def append(self, text: str) -> None:
        """Add a warning; nothing for an empty text."""
        if not text or (self._cutting and self._size >= MOST_CHARACTERS) or text in self._seen:
            return
        if not isinstance(self._seen, set):
            self._seen = set()
        self._seen.add(text)
        super().append(text[:LONGEST_WHEN_MANY] if self._cutting else text)
        self._size += len(self[-1])
        if self._size > MOST_CHARACTERS and not self._cutting:
            self._cutting = True
            self[:] = [one[:LONGEST_WHEN_MANY] for one in self]
            self._size = sum(map(len, self))

    def extend(self, texts: Iterable[str]) -> None:
        """Add several."""
        for text in texts:
            self.append(text)

    def __iadd__(self, texts: Iterable[str]) -> Self:  # type: ignore[override,misc]
        self.extend(texts)
        return self
