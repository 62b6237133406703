"""JSON as Go's decoder reads it: duplicate keys and number literals kept, its texts for what is no JSON. Pure.

The trusted fast way is msgspec; this is the exact, slower one, for bodies that the fast way cannot vouch for.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn, cast

import msgspec

from pilothouse.api.codec import cuts
from pilothouse.api.codec.depth import TOLD, too_deep


class JSONSyntaxError(ValueError):
    """What Go says of bytes that are no JSON."""


class NumberRangeError(JSONSyntaxError):
    """A number that no number of 64 bits is near."""


class Number(str):
    """The literal of a number, as it was written."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object with its members in order, duplicates included."""

    __slots__ = ()


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    """Go puts one U+FFFD for each byte that is no UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "�", error.start + 1


codecs.register_error("pilothouse.each_byte", _each_byte)


class _Constant(ValueError):
    pass


def _constant(_name: str) -> NoReturn:
    raise _Constant


_decoder = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_float=Number, parse_int=Number, parse_constant=_constant, strict=True
)
_plain_decoder = json.JSONDecoder(parse_constant=_constant, parse_int=len, strict=True)
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity', re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*("|\Z)', re.DOTALL)
_LITERALS = {"t": "true", "f": "false", "n": "null"}


def parse(data: bytes) -> Any:
    """The tree of a document: Pairs, list, str, Number, bool, None. Raises JSONSyntaxError with Go's text."""
    tree = _decoded(_decoder, data)
    return _without_surrogates(tree) if b"\\u" in data and _SURROGATE.search(_all_text(tree)) else tree


def check_syntax(data: bytes) -> None:
    """Raises JSONSyntaxError if `data` is no JSON; five times as fast as parsing it."""
    _decoded(_plain_decoder, _broken(data) if len(data) > cuts.WHOLE else data)


def _broken(data: bytes) -> bytes:
    """What is no JSON for the same reason as a long document, and as much of it as tells the reason: from the part on
    that breaks it. The document itself if it is JSON."""
    rest = None if too_deep(data) else cuts.broken(data, msgspec.json.decode)
    if rest is None:
        return data
    some = rest[: cuts.WHOLE]
    try:
        _plain_decoder.decode(some.decode("utf-8", "pilothouse.each_byte"))
    except json.JSONDecodeError as error:
        return some if error.pos < cuts.WHOLE // 2 and not error.msg.startswith("Unterminated") else rest
    except _Constant:
        return some
    return rest


def _decoded(decoder: json.JSONDecoder, data: bytes) -> Any:
    if too_deep(data):
        raise JSONSyntaxError(TOLD)
    text = data.decode("utf-8", "pilothouse.each_byte")
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        raise JSONSyntaxError(_told(text, error)) from None
    except _Constant:
        at = next(m.start() for m in _STRING_OR_CONSTANT.finditer(text) if m.group()[0] != '"')
        if text[at] == "-":
            raise JSONSyntaxError(_invalid(text, at + 1, "in numeric literal")) from None
        raise JSONSyntaxError(_invalid(text, at, "looking for beginning of value")) from None
    except RecursionError:
        raise JSONSyntaxError(TOLD) from None


def plain(node: Any) -> Any:
    """The node as ordinary JSON values: of duplicate members the last, numbers as int or float. Raises
    JSONSyntaxError for a number that is out of range."""
    if isinstance(node, Pairs):
        return {key: plain(value) for key, value in node}
    if isinstance(node, list):
        return [plain(item) for item in node]
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return number(node) if isinstance(node, Number) else node


def duplicates(node: Any, path: str = "") -> Iterator[str]:
    """The strict problems of duplicate members, in the order of the document."""
    if isinstance(node, Pairs):
        seen: set[str] = set()
        for key, value in node:
            inner = f"{path}.{key}" if path else key
            if key in seen:
                yield f'duplicate field "{inner}"'
            seen.add(key)
            yield from duplicates(value, inner)
    elif isinstance(node, list):
        for at, item in enumerate(node):
            yield from duplicates(item, f"{path}[{at}]")


def number(literal: str) -> int | float:
    """The value of a number literal. Raises JSONSyntaxError if no number of 64 bits is near it."""
    if literal.lstrip("-").isdigit() and len(literal) < 300:
        return int(literal)
    found = float(literal)
    if math.isinf(found):
        raise NumberRangeError(f"json: cannot unmarshal number {literal} into Go value of type float64")
    return found


def summary(data: bytes) -> str:
    """How the API server shows a body it does not recognize: its first 30 bytes, in hex unless an object."""
    if not data:
        return "<empty>"
    head, more = data[:30], " ..." if len(data) > 30 else ""
    return (head.decode("utf-8", "replace") if data[:1] == b"{" else head.hex()) + more


def kind_of(node: Any) -> str:
    """The JSON type of a node, in Go's words."""
    if isinstance(node, Pairs | dict):
        return "object"
    if isinstance(node, list | tuple):
        return "array"
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, Number | int | float):
        return "number"
    return "null" if node is None else "string"


def _told(text: str, error: json.JSONDecodeError) -> str:
    at, said = error.pos, error.msg
    if said.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    if said.startswith("Invalid control character"):
        return _invalid(text, at, "in string literal")
    if said.startswith("Invalid \\escape"):
        return _invalid(text, at + 1, "in string escape code")
    if said.startswith("Invalid \\uXXXX"):
        digit = text.rfind("\\u", 0, at + 2) + 2
        while digit < len(text) and text[digit] in "0123456789abcdefABCDEF":
            digit += 1
        return _invalid(text, digit, "in \\u hexadecimal character escape")
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    if said.startswith("Expecting value"):
        return _no_value(text, at)
    if at and text[at - 1].isdigit() and text[at : at + 1] in (".", "e", "E"):
        return _bad_number(text, at)
    if said.startswith("Extra data"):
        return _invalid(text, at, "after top-level value")
    if said.startswith("Expecting property name"):
        return _invalid(text, at, "looking for beginning of object key string")
    if said.startswith("Expecting ':'"):
        return _invalid(text, at, "after object key")
    where = "after object key:value pair" if _within(text[:at]) == "{" else "after array element"
    return _invalid(text, at, where)


def _invalid(text: str, at: int, where: str) -> str:
    if at >= len(text):
        return "unexpected end of JSON input"
    return f"invalid character {quoted(text[at])} {where}"


def quoted(char: str) -> str:
    """A character between single quotes, as Go's decoder prints it: of UTF-8 it sees the first byte."""
    first = chr(char.encode("utf-8", "surrogatepass")[0])
    special = {"'": "'\\''", '"': "'\"'", "\\": "'\\\\'", "\n": "'\\n'", "\t": "'\\t'", "\r": "'\\r'"}
    special |= {"\a": "'\\a'", "\b": "'\\b'", "\f": "'\\f'", "\v": "'\\v'"}
    if first in special:
        return special[first]
    code = ord(first)
    if code < 0x20 or code == 0x7F:
        return f"'\\x{code:02x}'"
    return f"'\\u{code:04x}'" if 0x80 <= code <= 0xA0 or code == 0xAD else f"'{first}'"


def _no_value(text: str, at: int) -> str:
    char = text[at : at + 1]
    if char == "-":
        return _invalid(text, at + 1, "in numeric literal")
    if char in _LITERALS:
        word = _LITERALS[char]
        for offset, wanted in enumerate(word):
            if text[at + offset : at + offset + 1] != wanted:
                return _invalid(text, at + offset, f"in literal {word} (expecting '{wanted}')")
    return _invalid(text, at, "looking for beginning of value")


def _bad_number(text: str, at: int) -> str:
    if text[at] == ".":
        return _invalid(text, at + 1, "after decimal point in numeric literal")
    at += 1
    if text[at : at + 1] in ("+", "-"):
        at += 1
    return _invalid(text, at, "in exponent of numeric literal")


def _within(before: str) -> str:
    """The innermost bracket that is open at the end of `before`."""
    bare = re.sub(r"[^{}\[\]]+", "", _STRING.sub("", before))
    length = -1
    while length != len(bare):
        length = len(bare)
        bare = bare.replace("{}", "").replace("[]", "")
    return bare[-1:]


def _all_text(tree: Any) -> str:
    out: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, str):
            out.append(node)
        elif isinstance(node, Pairs):
            for key, value in node:
                out.append(key)
                collect(value)
        elif isinstance(node, list):
            for item in node:
                collect(item)

    collect(tree)
    return "".join(out)


def _without_surrogates(node: Any) -> Any:
    if isinstance(node, Pairs):
        return Pairs((_SURROGATE.sub("�", key), _without_surrogates(value)) for key, value in node)
    if isinstance(node, list):
        return [_without_surrogates(item) for item in node]
    if isinstance(node, str) and not isinstance(node, Number):
        return _SURROGATE.sub("�", node)
    return cast(Any, node)
