"""The request target: path and parameters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import unquote_plus, unquote_to_bytes

from pilothouse.api import integers
from pilothouse.api.errors import bad_request
from pilothouse.kit.texts import remembered

Query = Mapping[str, Sequence[str]]
NO_QUERY: Query = {}
_INT64 = 2**63
_MOST_PARAMETERS = 10_000


def split(target: bytes) -> tuple[str, Query]:
    """The percent-decoded path and the parameters of a request target."""
    path, mark, query = target.partition(b"?")
    return decoded_path(path), parse(query) if mark else NO_QUERY


@remembered(4096)
def decoded_path(path: bytes) -> str:
    return (unquote_to_bytes(path) if b"%" in path else path).decode("utf-8", "replace")


@remembered(1024)
def parse(query: bytes) -> Query:
    """Parameters in the order sent; those that cannot be decoded are left out, and all of them where there are more
    than Go's net/url reads. Not to be changed."""
    found: dict[str, list[str]] = {}
    if query.count(b"&") >= _MOST_PARAMETERS:
        return found
    for pair in query.decode("utf-8", "replace").split("&"):
        if not pair or ";" in pair:
            continue
        key, _, value = pair.partition("=")
        found.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return found


def text(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def boolean(query: Query, name: str) -> bool | None:
    """False only for "false" (any case) and "0"; None if it is not there."""
    values = query.get(name)
    return values[0].lower() not in ("false", "0") if values else None


def integer(query: Query, name: str) -> int | None:
    """Raises StatusError (400) for what is no 64-bit integer; None if it is not there."""
    values = query.get(name)
    return parse_int(values[0]) if values else None


def parse_int(value: str) -> int:
    number = integers.integer(value)
    if number is None:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    if not -_INT64 <= number < _INT64:
        raise bad_request(f'strconv.ParseInt: parsing "{value}": value out of range')
    return number
