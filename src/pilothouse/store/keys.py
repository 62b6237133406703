"""Ranges of keys. Keys are ordered by code point, which is the order of their UTF-8 bytes."""

from __future__ import annotations


def after_prefix(prefix: str) -> str:
    """The least key that is larger than every key with `prefix`; empty if there is none (an empty prefix)."""
    while prefix:
        last = ord(prefix[-1])
        if last < 0x10FFFF:
            following = last + 1
            # Surrogates have no UTF-8 form, and no key lies among them.
            return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)
        prefix = prefix[:-1]
    return ""


def bounds(prefix: str, start: str) -> tuple[str, str]:
    """(first key, end key exclusive, empty: none) of a range."""
    return max(prefix, start), after_prefix(prefix)
