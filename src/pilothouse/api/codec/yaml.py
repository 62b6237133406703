"""YAML bodies as the API server reads them: YAML 1.1, the first document, turned into a JSON tree. Pure.

libyaml's events are built into a tree without recursion, so nesting cannot exhaust the stack (libyaml itself stops at
1,000 levels); aliases may not make a document much larger than it was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml as pyyaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from pilothouse.api.codec.depth import DEEPEST
from pilothouse.api.codec.go_json import Number

_MOST_ALIASED = 400_000
_TRUE = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"}
_FALSE = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
_NULL = {"", "~", "null", "Null", "NULL"}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_MERGE = "<<"


class YAMLError(ValueError):
    """What the API server says of text that is no YAML."""


@dataclass(slots=True)
class _Open:
    """A collection that is being built: a list, or a dict whose next key is `key`."""

    made: Any
    line: int
    size: int = 1
    depth: int = 1
    anchor: str | None = None
    keyed: bool = False
    key: str = ""
    merges: list[Any] = field(default_factory=list)


def load(data: bytes) -> tuple[Any, tuple[str, ...]]:
    """(tree of the first document, None if there is none; the faults of duplicate keys). Raises YAMLError."""
    builder = _Builder()
    try:
        events: Iterator[Event] = pyyaml.parse(data, Loader=getattr(pyyaml, "CSafeLoader", pyyaml.SafeLoader))
        for event in events:
            if isinstance(event, DocumentEndEvent):
                break
            if isinstance(event, NodeEvent | CollectionEndEvent):
                builder.take(event)
    except pyyaml.MarkedYAMLError as error:
        raise YAMLError(_told(error)) from None
    except (pyyaml.YAMLError, UnicodeDecodeError):
        raise YAMLError("yaml: invalid leading UTF-8 octet") from None
    return builder.root, tuple(builder.duplicates)


def duplicates_told(faults: tuple[str, ...]) -> tuple[str, ...]:
    """The one problem (or none) that duplicate keys make where problems are told together."""
    return ("yaml: unmarshal errors:\n  " + "\n  ".join(faults),) if faults else ()


def _told(error: pyyaml.MarkedYAMLError) -> str:
    line = error.problem_mark.line if error.problem_mark is not None else 0
    if line and isinstance(error, pyyaml.scanner.ScannerError):
        line += 1
    if not line and error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: {f'line {line}: ' if line else ''}{error.problem}"


class _Builder:
    def __init__(self) -> None:
        self.root: Any = None
        self.open: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.aliased = 0
        self.duplicates: list[str] = []

    def take(self, event: Event) -> None:
        line = event.start_mark.line if event.start_mark is not None else 0
        if isinstance(event, ScalarEvent):
            key = self.expects_key()
            self.put(_key(event) if key else _scalar(event), line, 1, event.anchor, _shown(event) if key else "")
        elif isinstance(event, AliasEvent):
            self.alias(event, line)
        elif isinstance(event, MappingStartEvent):
            self.open.append(_Open({}, line, anchor=event.anchor))
        elif isinstance(event, SequenceStartEvent):
            self.open.append(_Open([], line, anchor=event.anchor))
        elif isinstance(event, CollectionEndEvent):
            done = self.open.pop()
            for merged in done.merges:
                done.made.update({k: v for k, v in merged.items() if k not in done.made})
            if self.expects_key():
                raise YAMLError("yaml: invalid map key: map[interface {}]interface {}{}")
            self.put(done.made, done.line, done.size, done.anchor, depth=done.depth)

    def expects_key(self) -> bool:
        return bool(self.open) and isinstance(self.open[-1].made, dict) and not self.open[-1].keyed

    def alias(self, event: AliasEvent, line: int) -> None:
        if event.anchor not in self.anchors:
            raise YAMLError(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, size, depth = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > _MOST_ALIASED:
            raise YAMLError("yaml: document contains excessive aliasing")
        self.put(value, line, size, None, f'"{value}"' if self.expects_key() else "", depth)

    def put(self, value: Any, line: int, size: int, anchor: str | None, shown: str = "", depth: int = 0) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, size, depth)
        if not self.open:
            self.root = value
            return
        holder = self.open[-1]
        holder.size += size
        holder.depth = max(holder.depth, depth + 1)
        if holder.depth + len(self.open) - 1 > DEEPEST:
            raise YAMLError(f"yaml: exceeded max depth of {DEEPEST}")
        if isinstance(holder.made, list):
            holder.made.append(value)
        elif not holder.keyed:
            holder.key, holder.keyed = str(value), True
            if holder.key in holder.made and holder.key != _MERGE:
                self.duplicates.append(f"line {line + 1}: key {shown} already set in map")
        else:
            self.member(holder, value)

    def member(self, holder: _Open, value: Any) -> None:
        holder.keyed = False
        if holder.key != _MERGE:
            holder.made[holder.key] = value
            return
        merged = value if isinstance(value, list) else [value]
        if not all(isinstance(m, dict) for m in merged):
            raise YAMLError("yaml: map merge requires map or sequence of maps as the value")
        holder.merges += merged


def _scalar(event: ScalarEvent) -> Any:
    text = event.value
    if event.tag is not None and event.tag.startswith("tag:yaml.org,2002:"):
        short = event.tag.rpartition(":")[2]
        return text if short in ("str", "binary", "timestamp") else _plain(text)
    return _plain(text) if event.implicit[0] else text


def _plain(text: str) -> Any:
    """What an unquoted scalar is in YAML 1.1."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    bare = text.replace("_", "")
    if (found := _INTEGER.match(bare)) is not None:
        whole = _whole(found.group(1), found.group(2))
        return text if whole is None else whole
    if _FLOAT.match(bare):
        return _fraction(float(bare))
    if bare.lstrip("+-").lower() in (".inf", ".nan") and bare[-3:] in ("inf", "Inf", "INF", "nan", "NaN", "NAN"):
        raise YAMLError("json: unsupported value: NaN" if bare[-1] in "nN" else "json: unsupported value: +Inf")
    return text


def _whole(sign: str, digits: str) -> Number | None:
    """None for one with a base that 64 bits don't hold: that is text."""
    if len(digits) > 1 and digits[0] == "0":
        base = {"x": 16, "b": 2, "o": 8}.get(digits[1].lower())
        value = int(digits[2:], base) if base is not None else int(digits, 8)
        if value > (2**63 if sign == "-" else 2**64 - 1):
            return _fraction(float(sign + digits)) if base is None else None
    elif len(digits) > 20:
        return _fraction(float(sign + digits))
    else:
        value = int(digits)
    return Number(-value if sign == "-" else value)


def _fraction(value: float) -> Number:
    """A float as Go writes it in JSON."""
    if math.isinf(value):
        raise YAMLError("json: unsupported value: +Inf")
    if value == int(value) and abs(value) < 1e21:
        return Number(int(value))
    shown = repr(value)
    return Number(re.sub(r"e([+-])0?(\d)\Z", r"e\1\2", shown) if abs(value) < 1e-6 or abs(value) >= 1e21 else shown)


def _key(event: ScalarEvent) -> str:
    """Keys are text in JSON, whatever they are in YAML."""
    value = _scalar(event)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _shown(event: ScalarEvent) -> str:
    value = _scalar(event)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, Number) else f'"{value}"'
