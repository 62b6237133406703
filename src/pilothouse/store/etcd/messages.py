"""The messages of etcd's v3 API that the engine uses, and their numbers on the wire. What is left out is zero."""

from __future__ import annotations

from msgspec import Struct

from pilothouse.kit.protowire import Field, Kind, Method


class Header(Struct, frozen=True, kw_only=True):
    revision: int = 0


class KV(Struct, frozen=True, kw_only=True):
    key: bytes = b""
    create_revision: int = 0
    mod_revision: int = 0
    value: bytes = b""


class RangeRequest(Struct, frozen=True, kw_only=True):
    key: bytes = b""
    range_end: bytes = b""
    limit: int = 0
    revision: int = 0
    keys_only: bool = False
    count_only: bool = False


class RangeResponse(Struct, frozen=True, kw_only=True):
    header: Header = Header()
    kvs: tuple[KV, ...] = ()
    more: bool = False
    count: int = 0


class PutRequest(Struct, frozen=True, kw_only=True):
    key: bytes = b""
    value: bytes = b""


class DeleteRequest(Struct, frozen=True, kw_only=True):
    key: bytes = b""


class Operation(Struct, frozen=True, kw_only=True):
    """One of the three is set."""

    range: RangeRequest | None = None
    put: PutRequest | None = None
    delete: DeleteRequest | None = None


class OperationResult(Struct, frozen=True, kw_only=True):
    range: RangeResponse | None = None


class Compare(Struct, frozen=True, kw_only=True):
    """`mod_revision` of `key` (0: there is none) is compared; result 0 is "equal", target 2 the mod revision."""

    result: int = 0
    target: int = 2
    key: bytes = b""
    mod_revision: int = 0


class TxnRequest(Struct, frozen=True, kw_only=True):
    compare: tuple[Compare, ...] = ()
    success: tuple[Operation, ...] = ()
    failure: tuple[Operation, ...] = ()


class TxnResponse(Struct, frozen=True, kw_only=True):
    header: Header = Header()
    succeeded: bool = False
    responses: tuple[OperationResult, ...] = ()


class CompactionRequest(Struct, frozen=True, kw_only=True):
    revision: int = 0


class CompactionResponse(Struct, frozen=True, kw_only=True):
    header: Header = Header()


class StatusRequest(Struct, frozen=True, kw_only=True):
    pass


class StatusResponse(Struct, frozen=True, kw_only=True):
    header: Header = Header()
    version: str = ""


class WatchCreate(Struct, frozen=True, kw_only=True):
    key: bytes = b""
    range_end: bytes = b""
    start_revision: int = 0


class WatchProgress(Struct, frozen=True, kw_only=True):
    pass


class WatchRequest(Struct, frozen=True, kw_only=True):
    create: WatchCreate | None = None
    progress: WatchProgress | None = None


class WatchedEvent(Struct, frozen=True, kw_only=True):
    """`type` 0 is a put, 1 a delete."""

    type: int = 0
    kv: KV = KV()


class WatchResponse(Struct, frozen=True, kw_only=True):
    """`watch_id` -1 tells progress: everything up to the header's revision was sent."""

    header: Header = Header()
    watch_id: int = 0
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    events: tuple[WatchedEvent, ...] = ()


def _message(number: int, attribute: str, kind: type[Struct], repeated: bool = False) -> Field:
    return Field(number, attribute, Kind.MESSAGE, repeated, kind)


_HEADER = _message(1, "header", Header)
FIELDS: dict[type[Struct], tuple[Field, ...]] = {
    Header: (Field(3, "revision", Kind.INT),),
    KV: (
        Field(1, "key", Kind.BYTES),
        Field(2, "create_revision", Kind.INT),
        Field(3, "mod_revision", Kind.INT),
        Field(5, "value", Kind.BYTES),
    ),
    RangeRequest: (
        Field(1, "key", Kind.BYTES),
        Field(2, "range_end", Kind.BYTES),
        Field(3, "limit", Kind.INT),
        Field(4, "revision", Kind.INT),
        Field(8, "keys_only", Kind.BOOL),
        Field(9, "count_only", Kind.BOOL),
    ),
    RangeResponse: (
        _HEADER,
        _message(2, "kvs", KV, repeated=True),
        Field(3, "more", Kind.BOOL),
        Field(4, "count", Kind.INT),
    ),
    PutRequest: (Field(1, "key", Kind.BYTES), Field(2, "value", Kind.BYTES)),
    DeleteRequest: (Field(1, "key", Kind.BYTES),),
    Operation: (
        _message(1, "range", RangeRequest),
        _message(2, "put", PutRequest),
        _message(3, "delete", DeleteRequest),
    ),
    OperationResult: (_message(1, "range", RangeResponse),),
    Compare: (
        Field(1, "result", Kind.INT),
        Field(2, "target", Kind.INT),
        Field(3, "key", Kind.BYTES),
        Field(6, "mod_revision", Kind.INT),
    ),
    TxnRequest: (
        _message(1, "compare", Compare, repeated=True),
        _message(2, "success", Operation, repeated=True),
        _message(3, "failure", Operation, repeated=True),
    ),
    TxnResponse: (_HEADER, Field(2, "succeeded", Kind.BOOL), _message(3, "responses", OperationResult, repeated=True)),
    CompactionRequest: (Field(1, "revision", Kind.INT),),
    CompactionResponse: (_HEADER,),
    StatusRequest: (),
    StatusResponse: (_HEADER, Field(2, "version", Kind.STRING)),
    WatchCreate: (
        Field(1, "key", Kind.BYTES),
        Field(2, "range_end", Kind.BYTES),
        Field(3, "start_revision", Kind.INT),
    ),
    WatchProgress: (),
    WatchRequest: (_message(1, "create", WatchCreate), _message(3, "progress", WatchProgress)),
    WatchedEvent: (Field(1, "type", Kind.INT), _message(2, "kv", KV)),
    WatchResponse: (
        _HEADER,
        Field(2, "watch_id", Kind.INT),
        Field(3, "created", Kind.BOOL),
        Field(4, "canceled", Kind.BOOL),
        Field(5, "compact_revision", Kind.INT),
        Field(6, "cancel_reason", Kind.STRING),
        _message(11, "events", WatchedEvent, repeated=True),
    ),
}

RANGE = Method("/etcdserverpb.KV/Range", RangeRequest, RangeResponse)
TXN = Method("/etcdserverpb.KV/Txn", TxnRequest, TxnResponse)
COMPACT = Method("/etcdserverpb.KV/Compact", CompactionRequest, CompactionResponse)
STATUS = Method("/etcdserverpb.Maintenance/Status", StatusRequest, StatusResponse)
WATCH = Method("/etcdserverpb.Watch/Watch", WatchRequest, WatchResponse)
