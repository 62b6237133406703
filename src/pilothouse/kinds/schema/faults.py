"""What a schema has against a value, before it is known where the value stands. Pure.

Nothing about paths is done for what is valid: a fault carries its path below the value that was checked, and each
level that it passes on its way up puts its own name before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pilothouse.api.field_errors import FieldError, made

PATH = "\0"
"""Stands for the path in a fault's text."""


class Fault(NamedTuple):
    """`text` may hold PATH. A fault that is not `placed` names its path in the text only."""

    reason: str
    value: Any
    text: str
    path: tuple[str | int, ...] = ()
    placed: bool = True

    def below(self, key: str | int) -> Fault:
        """The same fault, seen from one level up."""
        return self._replace(path=(key, *self.path))

    @property
    def node(self) -> tuple[str | int, ...]:
        """The path of the value that is at fault: what lacks a field, not the field."""
        return self.path[:-1] if self.reason == "FieldValueRequired" else self.path

    def error(self, field: str) -> FieldError:
        """The field error, if the checked value is that of `field` (empty: the whole object)."""
        path = _shown(self.path)
        text = self.text.replace(PATH, path)
        if not self.placed:
            return made(self.reason, field or "<nil>", "", text)
        where = f"{field}.{path}" if field and path else field or path
        return made(self.reason, where, _as_go(self.value), text)


Faults = Sequence[Fault]
_LONG = 1e21


def _as_go(value: Any) -> Any:
    """Go shows a float that is whole without a point."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _LONG else value


def _shown(path: tuple[str | int, ...]) -> str:
    shown = ""
    for key in path:
        shown += f"[{key}]" if isinstance(key, int) else f".{key}" if shown else key
    return shown


def wrong_type(wanted: str, said: Any) -> Fault:
    return Fault("FieldValueTypeInvalid", said, f'{PATH} in body must be of type {wanted}: "{said}"')


def invalid(value: Any, text: str) -> Fault:
    return Fault("FieldValueInvalid", value, f"{PATH} in body {text}")


def unplaced(text: str) -> Fault:
    return Fault("FieldValueInvalid", "", text, placed=False)


def required(name: str) -> Fault:
    return Fault("FieldValueRequired", "", "", (name,))


def too_long(limit: int) -> Fault:
    return Fault("FieldValueTooLong", "", f"may not be more than {limit} byte{'' if limit == 1 else 's'}")


def too_many(count: int, limit: int) -> Fault:
    return Fault("FieldValueTooMany", count, f"must have at most {limit} item{'' if limit == 1 else 's'}")
