"""Completion indexes: sets of numbers, written as `0,2-5,9`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import Pod

ANNOTATION = "batch.kubernetes.io/job-completion-index"


def parse(text: str | None, limit: int) -> set[int]:
    """The indexes in `text` below `limit`."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if _is_number(first) and (not last or _is_number(last)):
            found.update(range(int(first), min(int(last or first), limit - 1) + 1))
    return {n for n in found if n < limit}


def render(found: Iterable[int]) -> str:
    """The shortest text; two neighbours are written with a comma, more as a span."""
    parts: list[str] = []
    ordered = sorted(set(found))
    at = 0
    while at < len(ordered):
        end = at
        while end + 1 < len(ordered) and ordered[end + 1] == ordered[end] + 1:
            end += 1
        first, last = ordered[at], ordered[end]
        if last == first:
            parts.append(str(first))
        else:
            parts.append(f"{first}{',' if last == first + 1 else '-'}{last}")
        at = end + 1
    return ",".join(parts)


def index_of(pod: Pod) -> int:
    """The completion index of a pod; -1 if it has none."""
    text = pod.metadata.annotations.get(ANNOTATION, "")
    return int(text) if _is_number(text) else -1


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20
