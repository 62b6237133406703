"""Lists of conditions: one of each type, the time of its last change kept while the status stays. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec


class Condition(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def last_transition_time(self) -> str | None: ...


C = TypeVar("C", bound=Condition)


def find(conditions: Iterable[C], kind: str) -> C | None:
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in conditions)


def put(conditions: tuple[C, ...], new: C) -> tuple[C, ...]:
    """The list with `new` in place of the one of its type; behind the others if it is the first."""
    held = find(conditions, new.type)
    if held is None:
        return (*conditions, new)
    if held.status == new.status:
        # frozen Structs: replace() of the generated class keeps its type
        new = msgspec.structs.replace(new, last_transition_time=held.last_transition_time)  # type: ignore[type-var]
    return tuple(new if c.type == new.type else c for c in conditions)


def without(conditions: tuple[C, ...], kind: str) -> tuple[C, ...]:
    return tuple(c for c in conditions if c.type != kind)
