"""Watches over HTTP: a stream of JSON lines or length-prefixed protobuf frames."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from pilothouse.api import errors
from pilothouse.api.codec import json as codec
from pilothouse.api.codec import protobuf
from pilothouse.api.errors import StatusError
from pilothouse.api.types.meta.v1 import ListOptions, PartialObjectMetadata
from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.endpoints.revisions import gone, too_large
from pilothouse.apiserver.generic.storage import CacheEvent, ChangeStream, SelectionPredicate, slices
from pilothouse.apiserver.request import negotiation
from pilothouse.apiserver.request import options as opt
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.request.negotiation import JSON, YAML
from pilothouse.apiserver.table import build
from pilothouse.kit.http.messages import Response
from pilothouse.seams.store import Compacted, FutureRevision, StoreUnavailable

if TYPE_CHECKING:
    from pilothouse.apiserver.endpoints.resource import ResourceEndpoint

END_OF_INITIAL = "k8s.io/initial-events-end"
DEFAULT_SECONDS = 1800
BOOKMARK_LEAD = 2.0
BOOKMARK_PERIOD = 60.0
# Bytes that are handed to the connection at once. A watcher that does not read costs some three times as many: little,
# for what it begins with; what comes later, and is the same for all watchers, should go out in one piece. Larger events
# go out in slices: chunks of HTTP need not end where events do.
_FIRST_PIECE, _PIECE = 4 * 1024, 16 * 1024
_encode = msgspec.json.Encoder().encode


async def start(endpoint: ResourceEndpoint, context: Context) -> Response:
    """The answer of a watch request: the head at once, then changes as they come."""
    media = context.negotiate(listing=True, objects=endpoint.media_types)
    if media.type == YAML:
        raise negotiation.not_acceptable(negotiation.STREAMS)
    options = opt.list_options(context.query)
    options = msgspec.structs.replace(options, watch=True)
    opt.check_list(options)
    if media.shape == "Table":
        build.include_of(context.query)
    interest = await endpoint.interest(context, options)
    revision = opt.exact_revision(options.resource_version)
    seconds = options.timeout_seconds or DEFAULT_SECONDS
    headers = answers.warning_headers(context.warnings)
    frames = _Frames(endpoint, context)
    try:
        stream = await _opened(endpoint, interest, options, revision)
    except Compacted as error:
        return Response(200, frames.error(gone(revision, error)), frames.content_type, headers)
    except FutureRevision as error:
        raise too_large(revision, error.current_revision) from None
    except StoreUnavailable as error:
        raise errors.make(500, "", str(error)) from None
    body = _stream(frames, stream, context, options, float(seconds))
    return Response(200, body, frames.content_type, headers)


async def _opened(
    endpoint: ResourceEndpoint, interest: SelectionPredicate, options: ListOptions, revision: int
) -> ChangeStream:
    cache = endpoint.registry.cache
    if options.send_initial_events:
        return await cache.watch(interest, revision, initial=True)
    if options.send_initial_events is None and revision <= 0:
        return await cache.watch(interest, revision, initial=True)
    return await cache.watch(interest, cache.revision if revision <= 0 else revision)


class _Frames:
    """How the events of one watch are written."""

    def __init__(self, endpoint: ResourceEndpoint, context: Context) -> None:
        self.endpoint = endpoint
        self.context = context
        media = context.media
        self.plain = endpoint.own and media.type == JSON and not media.shape
        self.first = True
        self.include = build.include_of(context.query) if media.shape == "Table" else ""
        if media.type == JSON:
            self.content_type = b"application/json"
        else:
            self.content_type = b"application/vnd.kubernetes.protobuf;stream=watch"

    def large(self, change: CacheEvent, most: int) -> Iterator[bytes]:
        """The event of a large object in slices of `most` bytes; in stored JSON without the whole being made."""
        return change.frame_slices(most) if self.plain else slices(self.change(change), most)

    def change(self, change: CacheEvent) -> bytes:
        assert change.item is not None
        if self.plain:
            return change.frame
        media = self.context.media
        form = (self.endpoint.api_version, media, self.include)
        if media.shape == "Table" and self.first:
            self.first = False
            return change.encoded((*form, "columns"), partial(self._made, columns=True))
        return change.encoded(form, self._made)

    def _made(self, change: CacheEvent, columns: bool = False) -> bytes:
        assert change.item is not None
        endpoint, media = self.endpoint, self.context.media
        item = change.item if endpoint.own else endpoint.registry.shown(change.item, endpoint.api_version)
        if media.shape == "Table":
            tree = build.table_of_one(endpoint.printer, self.context, item, columns)
            return _encode({"type": change.type, "object": tree}) + b"\n"
        if media.shape and media.type != JSON:
            return self._protobuf(change.type, build.metadata_message(item, media.version))
        if media.shape:
            body = build.metadata_only(item, media.version)
            return b'{"type":"%b","object":%b}\n' % (change.type.encode(), body)
        if media.type == JSON:
            return b'{"type":"%b","object":%b}\n' % (change.type.encode(), item.wire)
        return self._protobuf(change.type, item.obj)

    def _protobuf(self, event: str, obj: Any) -> bytes:
        return protobuf.watch_frame(event, protobuf.encode(obj))

    def bookmark(self, revision: int, end_of_initial: bool = False) -> bytes:
        """An object that carries a revision and little else."""
        annotations = {END_OF_INITIAL: "true"} if end_of_initial else {}
        endpoint, media = self.endpoint, self.context.media
        empty = endpoint.registry.strategy.zero if endpoint.own else None
        empty = empty or endpoint.form.type()
        meta = msgspec.structs.replace(empty.metadata, resource_version=str(revision), annotations=annotations)
        obj = msgspec.structs.replace(empty, metadata=meta)
        if media.shape == "Table":
            return self._bookmark_table(obj)
        if media.shape and media.type != JSON:
            said = PartialObjectMetadata(api_version=f"meta.k8s.io/{media.version}", metadata=meta)
            return self._protobuf("BOOKMARK", said)
        if media.shape:
            head = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":' % media.version.encode()
            return b'{"type":"BOOKMARK","object":%b%b}}\n' % (head, codec.encode(meta))
        if media.type == JSON:
            return b'{"type":"BOOKMARK","object":%b}\n' % codec.encode(obj)
        return self._protobuf("BOOKMARK", obj)

    def _bookmark_table(self, obj: Any) -> bytes:
        written = self.endpoint.registry.bytes[self.endpoint.api_version]
        item = written.of_value("", written.value(obj), int(obj.metadata.resource_version), obj)
        tree = build.table_of_one(self.endpoint.printer, self.context, item, columns=self.first)
        self.first = False
        return _encode({"type": "BOOKMARK", "object": tree}) + b"\n"

    def error(self, failure: StatusError) -> bytes:
        if self.context.media.type == JSON:
            return b'{"type":"ERROR","object":%b}\n' % codec.encode(failure.status)
        return self._protobuf("ERROR", failure.status)


async def _stream(
    frames: _Frames, stream: ChangeStream, context: Context, options: ListOptions, seconds: float
) -> AsyncIterator[bytes]:
    """Frames until the time is over or the changes are lost."""
    clock = context.clock
    end = clock.monotonic() + seconds
    bookmarks = options.allow_watch_bookmarks
    initial = bool(options.send_initial_events) and bookmarks
    told = _start_of(options)
    bookmark_at = _next_bookmark(clock.monotonic(), end, 0.0) if bookmarks else end
    try:
        while True:
            now = clock.monotonic()
            if now >= end:
                return
            size = _FIRST_PIECE if stream.beginning else _PIECE
            try:
                async with clock.timeout(min(bookmark_at, end) - now):
                    changes = await stream.next()
            except TimeoutError:
                now = clock.monotonic()
                if bookmarks and now >= bookmark_at and now < end:
                    if stream.revision > told:
                        told = stream.revision
                        yield frames.bookmark(told)
                    bookmark_at = _next_bookmark(now, end, bookmark_at)
                continue
            frames.endpoint.watch_events += len(changes)
            told = max(told, changes[-1].revision)
            for piece in _pieces(frames, changes, size, initial):
                yield piece
            initial = initial and stream.beginning
    except (Compacted, StoreUnavailable):
        # Who has fallen too far behind is let go of, as upstream does it: coming back, it hears what it has missed.
        return
    finally:
        stream.close()


def _start_of(options: ListOptions) -> int:
    return int(options.resource_version or 0)


def _next_bookmark(now: float, end: float, last: float) -> float:
    """About once a minute, and two seconds before the end."""
    lead = end - BOOKMARK_LEAD
    if last >= lead:
        return end
    return max(min(now + BOOKMARK_PERIOD, lead), now)


def _pieces(frames: _Frames, changes: Sequence[CacheEvent], most: int, initial: bool) -> Iterator[bytes]:
    """The bytes of a batch: small events together, in pieces of about `most` and less than twice that; larger ones in
    slices of `most` at the most. `initial`: the end of the initial events is still to come."""
    parts: list[bytes] = []
    size = 0
    for change in changes:
        item = change.item
        if item is None:
            if not initial:
                continue
            part = frames.bookmark(change.revision, end_of_initial=True)
            initial = False
        elif len(item.tail) < most:
            part = frames.change(change)
        else:
            if parts:
                yield b"".join(parts)
                parts.clear()
                size = 0
            yield from frames.large(change, most)
            continue
        parts.append(part)
        size += len(part)
        if size >= most:
            yield from _joined(parts, most)
            parts.clear()
            size = 0
    if parts:
        yield b"".join(parts)


def _joined(parts: Sequence[bytes], most: int) -> Iterator[bytes]:
    """`parts` in one piece, unless the last is large: the encoding of a small object (a Table's columns) may be."""
    if len(parts[-1]) <= most:
        yield b"".join(parts)
        return
    if len(parts) > 1:
        yield b"".join(parts[:-1])
    yield from slices(parts[-1], most)
