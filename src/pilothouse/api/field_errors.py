"""What validation says of a field, in the API's own words. Pure.

A path is plain text (`spec.containers[0].name`), built with f-strings; map keys read `metadata.labels[a/b]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from pilothouse.api import errors, go_text
from pilothouse.api.errors import StatusError
from pilothouse.api.types.meta.v1 import StatusCause


class _Omitted:
    """Stands for a bad value that is not shown."""


OMITTED: Final = _Omitted()
_SHOWN = {
    "FieldValueRequired": "Required value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "InternalError": "Internal error",
    "FieldValueInvalid": "Invalid value",
    "FieldValueTypeInvalid": "Invalid value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueNotFound": "Not found",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueTooMany": "Too many",
}
_VALUELESS = {"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"}


class FieldError(NamedTuple):
    """One refusal: `reason` is the cause's reason of a Status, `value` what was found there."""

    reason: str
    path: str
    value: Any
    detail: str

    @property
    def message(self) -> str:
        """The cause's message: kind of error, bad value, detail."""
        return self.told(go_text.bad_value)

    def told(self, show: Callable[[Any], str]) -> str:
        """The message with its bad value as `show` writes it."""
        text = _SHOWN[self.reason]
        if self.reason not in _VALUELESS and self.value is not OMITTED:
            text = f"{text}: {show(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text


FieldErrors = list[FieldError]

MOST_MADE = 100_000
"""Errors of one object after which nothing is looked for any more: the texts of a third of them are all that a client
is told. An object that the store takes has no more than 15 bytes for each."""


class TooManyErrors(Exception):
    """The errors of an object that were made so far; enough of them."""

    def __init__(self, errors: FieldErrors) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


_errors: ContextVar[FieldErrors | None] = ContextVar("errors", default=None)


def bounded(check: Callable[[], Iterable[FieldError]]) -> FieldErrors:
    """What `check` finds; the first MOST_MADE errors if it makes more than these."""
    token = _errors.set([])
    try:
        return list(check())
    except TooManyErrors as enough:
        return enough.errors
    finally:
        _errors.reset(token)


def made(reason: str, path: str, value: Any, detail: str) -> FieldError:
    """A new error. Raises TooManyErrors within `bounded`."""
    error = FieldError(reason, path, value, detail)
    errors = _errors.get()
    if errors is not None:
        errors.append(error)
        if len(errors) >= MOST_MADE:
            raise TooManyErrors(errors)
    return error


def required(path: str, detail: str = "") -> FieldError:
    return made("FieldValueRequired", path, "", detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """`value` as it stands in the object: text, number, bool, None, or a (part of a) typed object."""
    return made("FieldValueInvalid", path, value, detail)


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    return made("FieldValueTypeInvalid", path, value, detail)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """`supported` in the order upstream prints it (mostly sorted)."""
    shown = ", ".join(go_text.quote(s) for s in supported)
    return made("FieldValueNotSupported", path, value, f"supported values: {shown}" if shown else "")


def forbidden(path: str, detail: str) -> FieldError:
    return made("FieldValueForbidden", path, "", detail)


def duplicate(path: str, value: Any) -> FieldError:
    return made("FieldValueDuplicate", path, value, "")


def not_found(path: str, value: Any) -> FieldError:
    return made("FieldValueNotFound", path, value, "")


def too_long(path: str, limit: int) -> FieldError:
    """`limit` in bytes; negative when it is not known."""
    if limit < 0:
        return made("FieldValueTooLong", path, "", "value is too long")
    return made("FieldValueTooLong", path, "", f"may not be more than {limit} byte{'' if limit == 1 else 's'}")


def too_many(path: str, count: int, limit: int) -> FieldError:
    """`count` items where `limit` are allowed; negative `limit`: not known."""
    if limit < 0:
        return made("FieldValueTooMany", path, count, "has too many items")
    detail = f"must have at most {limit} item{'' if limit == 1 else 's'}"
    return made("FieldValueTooMany", path, count if count >= 0 else OMITTED, detail)


def internal(path: str, detail: str) -> FieldError:
    return made("InternalError", path, None, detail)


def all_invalid(path: str, value: Any, details: Iterable[str]) -> FieldErrors:
    """One error for each fault of a value."""
    return [invalid(path, value, detail) for detail in details]


def at(path: str, index: int) -> str:
    """The path of an item of a list."""
    return f"{path}[{index}]"


LONGEST_TOLD = 1024 * 1024
"""Characters of errors that a client is told of. Some errors show a whole list, and there is one for each of its items:
together they would be as long as the square of what was sent."""


def as_status(group: str, kind: str, name: str, found: Sequence[FieldError]) -> StatusError:
    """The 422 that clients get for an object's field errors."""
    causes: list[StatusCause] = []
    left = LONGEST_TOLD
    known: dict[int, str] = {}

    def show(value: Any) -> str:
        """A value that many errors are about (and keep alive) is written once."""
        if id(value) not in known:
            known[id(value)] = go_text.bad_value(value)
        return known[id(value)]

    for error in found:
        cause = StatusCause(reason=error.reason, message=error.told(show), field_=error.path)
        left -= len(cause.message) + len(cause.field_)
        if left < 0 and causes:
            break
        causes.append(cause)
    return errors.invalid(group, kind, name, causes)
