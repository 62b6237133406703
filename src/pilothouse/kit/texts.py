"""Memory for what was made of texts that clients send: bounded in number, and in the length of what is remembered.

A client may send a text of a megabyte as easily as a name. A cache bounded in number alone would keep thousands.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])
LONGEST = 512


def remembered(maxsize: int) -> Callable[[F], F]:
    """Remember what a function makes of its first argument, a str or bytes (or None), and those that follow it, by
    position; of long ones it is made anew."""

    def decorate(make: F) -> F:
        known = functools.lru_cache(maxsize=maxsize)(make)

        def look_up(text: str | bytes | None) -> object:
            return known(text) if text is None or len(text) <= LONGEST else make(text)

        def look_up_with(text: str | bytes | None, *rest: object) -> object:
            return known(text, *rest) if text is None or len(text) <= LONGEST else make(text, *rest)

        # Most take the text alone, and are asked several times in each request: they don't pay for the others.
        door = functools.wraps(make)(look_up if make.__code__.co_argcount == 1 else look_up_with)
        door.known = known  # type: ignore[attr-defined]
        return cast(F, door)

    return decorate


def short(texts: Iterable[str]) -> bool:
    """Whether texts of clients are short enough, together, to be kept as the key of a memory."""
    return sum(map(len, texts)) <= LONGEST
