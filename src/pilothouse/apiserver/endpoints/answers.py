"""Answers: objects, lists and errors in the media type that was settled."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import json as codec
from pilothouse.api.codec import protobuf
from pilothouse.api.codec.yaml_writer import written
from pilothouse.api.errors import StatusError
from pilothouse.api.scheme import BY_RESOURCE
from pilothouse.api.types.meta.v1 import ListMeta
from pilothouse.apiserver.generic.storage import CachedObject
from pilothouse.apiserver.request import negotiation
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.negotiation import JSON, PLAIN, PROTOBUF, YAML, Media
from pilothouse.apiserver.request.request_info import RequestInfo
from pilothouse.apiserver.table import build
from pilothouse.apiserver.table.build import Item, Printer
from pilothouse.kit.aside import in_turns
from pilothouse.kit.http.messages import Header, Response

_tail = operator.attrgetter("tail")
_raw_encode = msgspec.json.Encoder().encode


def stored(context: Context, printer: Printer | None, item: CachedObject, status: int = 200) -> Response:
    """An object that is kept as bytes."""
    media = context.media
    if media.shape == "" and media.type == JSON and not media.pretty:
        return Response(status, (item.form.head, item.tail), b"application/json", warning_headers(context.warnings))
    if media.shape:
        return shaped(context, printer, item, status)
    return structure(context, item.obj, status)


class Unstored:
    """A typed object that has no stored bytes, as a row of a Table."""

    def __init__(self, obj: Any) -> None:
        self.obj = obj
        self.revision = int(obj.metadata.resource_version or 0)

    @property
    def wire(self) -> bytes:
        return codec.encode(self.obj)


def structure(context: Context, obj: Any, status: int = 200, printer: Printer | None = None) -> Response:
    """A typed object that has no stored bytes (a Status, a review, a Scale)."""
    media = context.media
    if media.shape and obj.kind != "Status":
        return shaped(context, printer, Unstored(obj), status)
    content_type, body = encoded(obj, media)
    return Response(status, body, content_type, warning_headers(context.warnings))


async def structures(context: Context, found: Any, printer: Printer) -> Response:
    """A typed list of what has no stored bytes."""
    if context.media.shape:
        return await shaped_list(context, printer, [Unstored(item) for item in found.items], {})
    return structure(context, found)


def document(context: Context, found: dict[str, Any], kind: Any) -> Response:
    """A document that is made as a tree, of the type `kind` where it must be typed."""
    media = context.media
    if media.type == JSON:
        body = _raw_encode(found)
        return Response(200, indented(body) if media.pretty else body)
    return structure(context, codec.from_builtins(found, kind))


def indented(text: bytes) -> bytes:
    """JSON for humans."""
    return msgspec.json.format(text, indent=2)


def encoded(obj: Any, media: Media) -> tuple[bytes, bytes]:
    """(content type, bytes) of a typed object."""
    if media.type == JSON:
        body = codec.encode(obj)
        return b"application/json", indented(body) if media.pretty else body
    if media.type == YAML:
        return b"application/yaml", written(codec.to_builtins(obj))
    return b"application/vnd.kubernetes.protobuf", protobuf.encode(obj)


async def items(
    context: Context,
    printer: Printer | None,
    found: Sequence[CachedObject],
    head: tuple[str, str],
    metadata: dict[str, Any],
) -> Response:
    """A list; `head` is its kind and apiVersion, `metadata` that of the list."""
    media = context.media
    kind, api_version = head
    if media.shape:
        return await shaped_list(context, printer, found, metadata)
    start = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.encode(),
        api_version.encode(),
        _raw_encode(metadata),
    )
    # Items of typed lists carry no kind and apiVersion: their tails alone. They are put together while they are sent,
    # so that a slow reader of a long list holds references to what the cache has, not megabytes of its own.
    opening = found[0].form.opening if found else b"{"
    chunks: list[bytes] = [b"," + opening] * (2 * len(found))
    chunks[:1] = [opening] if found else []
    chunks[1::2] = map(_tail, found)
    chunks = [start, *chunks, b"]}"]
    if media.type == JSON:
        body: bytes | list[bytes] = indented(b"".join(chunks)) if media.pretty else chunks
        return Response(200, body, b"application/json", warning_headers(context.warnings))
    if media.type == YAML:
        tree = msgspec.json.decode(b"".join(chunks))
        return Response(200, written(tree), b"application/yaml", warning_headers(context.warnings))
    list_meta = codec.from_builtins(metadata, ListMeta)
    messages = await in_turns(found, lambda item: protobuf.encode_message(item.obj))
    body = protobuf.encode_list(api_version, kind, list_meta, messages)
    return _protobuf(context, body)


def shaped(context: Context, printer: Printer | None, item: Item, status: int) -> Response:
    """A Table or PartialObjectMetadata of one object. Raises StatusError (400, 406)."""
    media = context.media
    if media.shape == "Table":
        return _written(context, build.table_of_one(_required(printer), context, item), status)
    if media.shape == "PartialObjectMetadataList":
        raise _no_such_shape(context, f"is not a list (*{_go_type(context.info)})")
    if media.type == PROTOBUF:
        return _protobuf(context, protobuf.encode(build.metadata_message(item, media.version)), status)
    return _written(context, msgspec.Raw(build.metadata_only(item, media.version)), status)


async def shaped_list(
    context: Context, printer: Printer | None, found: Sequence[Item], metadata: dict[str, Any]
) -> Response:
    """A Table or PartialObjectMetadataList. Raises StatusError (400, 406)."""
    media, version = context.media, context.media.version
    if media.shape == "Table":
        printer = _required(printer)
        rows = await in_turns(printer.ordered(found), build.row_maker(printer, context))
        return _written(context, build.table(printer, context, rows, metadata))
    if media.shape == "PartialObjectMetadata":
        raise _no_such_shape(context, f"is a list (*{_go_type(context.info)}List)")
    if media.type == PROTOBUF:
        messages = await in_turns(found, lambda item: protobuf.encode_message(build.metadata_message(item, version)))
        listed = codec.from_builtins(metadata, ListMeta)
        head = f"meta.k8s.io/{version}", "PartialObjectMetadataList"
        return _protobuf(context, protobuf.encode_list(*head, listed, messages))
    items = await in_turns(found, lambda item: msgspec.Raw(build.metadata_only(item, version)))
    return _written(context, build.partial_list(items, metadata, version))


def _required(printer: Printer | None) -> Printer:
    if printer is None:
        raise negotiation.not_acceptable(negotiation.TYPES)
    return printer


def _no_such_shape(context: Context, but: str) -> StatusError:
    told = f"you requested {context.media.shape}, but the requested object {but}"
    return errors.make(406, "NotAcceptable", told)


def _written(context: Context, told: Any, status: int = 200) -> Response:
    body, content_type = _raw_encode(told), b"application/json"
    if context.media.type == YAML:
        body, content_type = written(msgspec.json.decode(body)), b"application/yaml"
    elif context.media.pretty:
        body = indented(body)
    return Response(status, body, content_type, warning_headers(context.warnings))


def _protobuf(context: Context, body: bytes, status: int = 200) -> Response:
    return Response(status, body, b"application/vnd.kubernetes.protobuf", warning_headers(context.warnings))


def _go_type(info: RequestInfo) -> str:
    """The type that upstream keeps a resource's objects in, which its messages name."""
    known = BY_RESOURCE.get((info.group, info.version, info.resource))
    if known is None:
        return "unstructured.Unstructured"
    package = "core" if info.group in ("", "events.k8s.io") else info.group.partition(".")[0]
    return f"{package}.{known.kind}"


def failure(error: StatusError, media: Media = PLAIN, warnings: Sequence[str] = ()) -> Response:
    """A Status for an error."""
    status = error.status
    content_type, body = encoded(status, media)
    headers = list(warning_headers(warnings))
    if status.details is not None and status.details.retry_after_seconds > 0:
        headers.append((b"retry-after", str(status.details.retry_after_seconds).encode()))
    return Response(status.code or 500, body, content_type, headers)


def text(status: int, body: str) -> Response:
    return Response(status, body.encode(), b"text/plain; charset=utf-8", ((b"x-content-type-options", b"nosniff"),))


def warning_headers(warnings: Sequence[str]) -> Sequence[Header]:
    return [(b"warning", b'299 - "%b"' % _quoted(w)) for w in warnings] if warnings else ()


def _quoted(warning: str) -> bytes:
    kept = "".join(c if c.isprintable() else " " for c in warning)
    return kept.replace("\\", "\\\\").replace('"', '\\"').encode()
