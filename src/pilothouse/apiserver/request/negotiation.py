"""Media types: what a client accepts, and what its body is written in. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pilothouse.api import errors
from pilothouse.api.types.meta.v1 import StatusDetails
from pilothouse.kit.texts import remembered

JSON, YAML, PROTOBUF = "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"
TYPES = (JSON, YAML, PROTOBUF)
TEXTS = (JSON, YAML)
STREAMS = (JSON + ";stream=watch", PROTOBUF + ";stream=watch")
_ACCEPTED = ", ".join(TYPES)
META_VERSIONS = ("v1", "v1beta1")
NO_SHAPES: frozenset[str] = frozenset()
METADATA_SHAPES = frozenset({"PartialObjectMetadata", "PartialObjectMetadataList"})
ALL_SHAPES = METADATA_SHAPES | {"Table"}
Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]


class Media(NamedTuple):
    """How to write an answer: the media type; `shape` and `version` of a transformation (of meta.k8s.io)."""

    type: str = JSON
    shape: Shape = ""
    version: str = ""
    pretty: bool = False


PLAIN = Media()


class _Clause(NamedTuple):
    type: str
    parameters: tuple[tuple[str, str], ...]
    quality: float


@remembered(1024)
def accepted(
    accept: bytes | None,
    listing: bool = False,
    shapes: frozenset[str] = ALL_SHAPES,
    objects: tuple[str, ...] = TYPES,
) -> Media:
    """What to answer with; `listing`: of a collection, which could be watched too; `shapes` that the answer can have;
    `objects`: what the objects themselves can be written in. Raises StatusError (406)."""
    if not accept or accept in (b"application/json", b"*/*"):
        return PLAIN
    clauses = _clauses(accept.decode("latin-1"))
    produced = (*TYPES, *STREAMS) if listing else TYPES
    if not any(c.type == "*/*" or c.type in TYPES for c in clauses):
        raise unavailable(produced)
    for clause in clauses:
        found = _media(clause, shapes)
        if found is not None and (found.shape or found.type in objects):
            return found
    raise not_acceptable(objects)


_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
# Programs behind which a human reads.
_READERS = (b"curl", b"Wget", b"Mozilla/5.0")


def wants_pretty(asked: Sequence[str] | None, agent: bytes | None) -> bool:
    """Whether JSON is to be indented: by the parameter `pretty`, else for those who read it themselves."""
    if asked and asked[0]:
        return asked[0] in _TRUE
    return agent is not None and agent.startswith(_READERS)


def first_of(accept: bytes | None, offered: Sequence[str]) -> str | None:
    """The first of the `offered` types that an Accept header takes, in the header's order; None if it takes none."""
    for clause in _clauses((accept or b"*/*").decode("latin-1")):
        for kind in offered:
            if clause.type in (kind, "*/*", kind.partition("/")[0] + "/*"):
                return kind
    return None


def unavailable(produced: Sequence[str]) -> errors.StatusError:
    """406: a route does not produce what is accepted."""
    told = f"406: Not Acceptable\n\nAvailable representations: {', '.join(produced)}"
    return errors.make(406, "NotAcceptable", told, StatusDetails())


def not_acceptable(types: Sequence[str]) -> errors.StatusError:
    told = f"only the following media types are accepted: {', '.join(types)}"
    return errors.make(406, "NotAcceptable", told)


def _clauses(accept: str) -> list[_Clause]:
    """The parts of an Accept header, the best first."""
    found: list[_Clause] = []
    for part in accept.split(","):
        pieces = [piece.strip() for piece in part.split(";")]
        parameters: list[tuple[str, str]] = []
        quality = 1.0
        for piece in pieces[1:]:
            key, _, value = piece.partition("=")
            if key == "q":
                quality = _quality(value)
            elif key:
                parameters.append((key, value.strip('"')))
        if pieces[0]:
            found.append(_Clause("*/*" if pieces[0] == "*" else pieces[0], tuple(parameters), quality))
    return sorted(found, key=lambda c: (-c.quality, c.type == "*/*"))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0


def _media(clause: _Clause, shapes: frozenset[str]) -> Media | None:
    parameters = dict(clause.parameters)
    shape = parameters.get("as", "")
    if shape:
        version = parameters.get("v", "")
        if not (shape in shapes and parameters.get("g") == "meta.k8s.io" and version in META_VERSIONS):
            return None
    else:
        version = ""
    chosen = JSON if clause.type in ("*/*", "application/*") else clause.type
    if chosen not in TYPES or (shape == "Table" and chosen == PROTOBUF):
        return None
    pretty = parameters.get("pretty") == "1"
    return Media(chosen, shape, version, pretty)  # type: ignore[arg-type]


_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'\s*;\s*({_TOKEN})\s*=\s*(?:{_TOKEN}|"(?:[^"\\]|\\.)*")')
_TYPE = re.compile(rf"\s*({_TOKEN}/{_TOKEN})\s*(?=;|$)")


def _parsed(header: str) -> str | None:
    """The media type of a header as Go's `mime.ParseMediaType` reads it; None if its parameters are malformed."""
    kind = _TYPE.match(header)
    if kind is None:
        return None
    at, names = kind.end(), set[str]()
    while (parameter := _PARAMETER.match(header, at)) is not None:
        name = parameter[1].lower()
        if name in names:
            return None
        names.add(name)
        at = parameter.end()
    return kind[1].lower() if header[at:].strip() in ("", ";") else None


@remembered(256)
def body_type(content_type: bytes | None) -> str:
    """The media type of a body. Raises StatusError (415)."""
    if not content_type:
        return JSON
    found = _parsed(content_type.decode("latin-1"))
    if found not in TYPES:
        told = "the body of the request was in an unknown format - accepted media types include: "
        raise errors.make(415, "UnsupportedMediaType", told + _ACCEPTED)
    return found
