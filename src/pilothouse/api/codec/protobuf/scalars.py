"""Scalars of the API in protobuf: those that are a varint or bytes, and those that are a small message. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from pilothouse.api.quantity import Quantity, QuantityError
from pilothouse.api.quantity import parse as parse_quantity
from pilothouse.api.time import format_micro_time, format_time
from pilothouse.kit.protobuf import (
    BYTES,
    FIXED64,
    VARINT,
    ProtobufError,
    read_length,
    read_varint,
    signed,
    skip,
    tag,
    varint,
)

Body = Callable[[Any], bytes]
Reader = Callable[[bytes, int, int], Any]

_TAG1, _TAG2, _TAG3 = (tag(n, VARINT) for n in (1, 2, 3))
_BYTES1, _BYTES3 = tag(1, BYTES), tag(3, BYTES)
_YEAR_ONE, _YEAR_10000 = -62135596800, 253402300800
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(data: bytes, at: int, end: int) -> str:
    return data[at:end].decode("utf-8", "pilothouse.each_byte")


def bytes_of(data: bytes, at: int, end: int) -> bytes:
    return data[at:end]


def delimited(body: bytes) -> bytes:
    return varint(len(body)) + body


def parts(data: bytes, at: int, end: int) -> dict[int, Any]:
    """Field number to last value of a small message: ints, or (start, end) of bytes."""
    found: dict[int, Any] = {}
    while at < end:
        key, at = read_varint(data, at, end)
        kind = key & 7
        if kind == VARINT:
            found[key >> 3], at = read_varint(data, at, end)
        elif kind == BYTES:
            found[key >> 3] = span = read_length(data, at, end)
            at = span[1]
        else:
            at = skip(data, at, end, kind)
    return found


def _number(found: dict[int, Any], number: int, name: str) -> int:
    """The varint of a small message's field; 0 if it is not there."""
    value = found.get(number, 0)
    if isinstance(value, tuple):
        raise ProtobufError(f"proto: wrong wireType = 2 for field {name}")
    return int(value)


def _time_body(value: str | None) -> bytes:
    """A Time or MicroTime: seconds and nanoseconds, nothing for the zero time."""
    if not value:
        return b""
    passed = datetime.fromisoformat(value) - _EPOCH
    seconds = passed.days * 86400 + passed.seconds
    return _TAG1 + varint(seconds) + _TAG2 + varint(passed.microseconds * 1000)


def _moment(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    if at == end:
        return None
    found = parts(data, at, end)
    seconds, nanos = signed(_number(found, 1, "Seconds"), 64), signed(_number(found, 2, "Nanos"), 32)
    if not _YEAR_ONE <= seconds < _YEAR_10000:
        raise ProtobufError("Time.MarshalJSON: year outside of range [0,9999]")
    return None if seconds == _YEAR_ONE and not nanos else (seconds, nanos)


def _read_time(data: bytes, at: int, end: int) -> str:
    moment = _moment(data, at, end)
    return format_time(moment[0]) if moment is not None else ""


def _read_micro_time(data: bytes, at: int, end: int) -> str:
    moment = _moment(data, at, end)
    if moment is None:
        return ""
    whole = format_micro_time(moment[0])
    return f"{whole[:20]}{moment[1] // 1000 % 1_000_000:06d}Z"


def _quantity_body(value: Quantity) -> bytes:
    return _BYTES1 + delimited(value.text.encode())


def _read_quantity(data: bytes, at: int, end: int) -> Quantity:
    span = parts(data, at, end).get(1)
    text = text_of(data, *span) if isinstance(span, tuple) else ""
    try:
        return parse_quantity(text or "0")
    except QuantityError as error:
        raise ProtobufError(str(error)) from None


def _int_or_string_body(value: int | str) -> bytes:
    if isinstance(value, str):
        return _TAG1 + b"\x01" + _TAG2 + b"\x00" + _BYTES3 + delimited(value.encode())
    return _TAG1 + b"\x00" + _TAG2 + varint(value) + _BYTES3 + b"\x00"


def _read_int_or_string(data: bytes, at: int, end: int) -> int | str:
    found = parts(data, at, end)
    if _number(found, 1, "Type") == 0:
        return signed(_number(found, 2, "IntVal"), 32)
    span = found.get(3)
    return text_of(data, *span) if isinstance(span, tuple) else ""


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def _duration_body(value: str) -> bytes:
    """A Duration as Go prints it (`1h2m3.5s`) in nanoseconds."""
    negative, rest, total = value.startswith("-"), value.lstrip("+-"), 0
    while rest and rest != "0":
        size = next((i for i, c in enumerate(rest) if c not in "0123456789."), len(rest))
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if rest[size:].startswith(u)), None)
        if unit is None or not size:
            raise ProtobufError(f'time: invalid duration "{value}"')
        whole, _, fraction = rest[:size].partition(".")
        total += int(whole or 0) * _UNITS[unit] + int((fraction + "0" * 18)[:18]) * _UNITS[unit] // 10**18
        rest = rest[size + len(unit) :]
    return _TAG1 + varint(-total if negative else total)


def _read_duration(data: bytes, at: int, end: int) -> str:
    nanos = signed(_number(parts(data, at, end), 1, "Duration"), 64)
    return duration_text(nanos)


def duration_text(nanos: int) -> str:
    """Nanoseconds as Go prints a Duration."""
    sign, nanos = ("-", -nanos) if nanos < 0 else ("", nanos)
    if nanos < 10**9:
        unit, size = ("ns", 1) if nanos < 10**3 else ("µs", 10**3) if nanos < 10**6 else ("ms", 10**6)
        return f"{sign}{_decimal(nanos, size)}{unit}" if nanos else "0s"
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, 10**9)}s"


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits and size > 1 else str(whole)


def _raw_body(value: Any) -> bytes:
    """RawExtension, FieldsV1 and JSON: their text as bytes."""
    return _BYTES1 + delimited(msgspec.json.encode(value)) if value is not None else b""


def _read_raw(data: bytes, at: int, end: int) -> Any:
    span = parts(data, at, end).get(1)
    if not isinstance(span, tuple) or span[0] == span[1]:
        return None
    try:
        return msgspec.json.decode(data[span[0] : span[1]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ProtobufError("json: error calling MarshalJSON for type runtime.RawExtension: invalid JSON") from None


def double_body(value: float) -> bytes:
    return struct.pack("<d", value)


def read_double(data: bytes, at: int, end: int) -> tuple[float, int]:
    if at + 8 > end:
        raise ProtobufError("unexpected EOF")
    return struct.unpack_from("<d", data, at)[0], at + 8


def encoded_text(value: str) -> bytes:
    return value.encode("utf-8", "replace")


BODIES: dict[str, Body] = {
    "string": encoded_text,
    "bytes": bytes,
    "time": _time_body,
    "micro_time": _time_body,
    "quantity": _quantity_body,
    "int_or_string": _int_or_string_body,
    "duration": _duration_body,
    "raw": _raw_body,
}
READERS: dict[str, Reader] = {
    "string": text_of,
    "bytes": bytes_of,
    "time": _read_time,
    "micro_time": _read_micro_time,
    "quantity": _read_quantity,
    "int_or_string": _read_int_or_string,
    "duration": _read_duration,
    "raw": _read_raw,
}
WIRE_TYPES = {"int": VARINT, "bool": VARINT, "float": FIXED64}
