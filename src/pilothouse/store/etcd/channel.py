"""gRPC to an etcd server, with the store's errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio
from msgspec import Struct

from pilothouse.kit.protowire import Method, decode, encode
from pilothouse.seams.store import StoreError, StoreUnavailable
from pilothouse.store.etcd.messages import FIELDS, WATCH, WatchRequest, WatchResponse

Q = TypeVar("Q", bound=Struct)
A = TypeVar("A", bound=Struct)
# Seconds; a write that takes longer may have happened, and nobody is told that it has.
TIMEOUT = 10.0
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where etcd is: `host:port`, and for TLS the authority, the client's certificate and key, in PEM."""

    address: str
    authority: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


class CompactedThere(StoreError):
    """etcd says that a revision is compacted; it does not say up to where."""


class FutureThere(StoreError):
    """etcd says that a revision has not happened yet."""


def translate(error: grpc.aio.AioRpcError) -> StoreError:
    """The store's error for gRPC's."""
    told = error.details() or error.code().name
    if "has been compacted" in told:
        return CompactedThere(told)
    if "is a future revision" in told:
        return FutureThere(told)
    return StoreUnavailable(f"etcd: {told}")


class Channel:
    """One connection for all calls; it reconnects by itself, until then calls raise StoreUnavailable."""

    def __init__(self, endpoint: Endpoint) -> None:
        if endpoint.authority is None:
            self._channel = grpc.aio.insecure_channel(endpoint.address, options=_OPTIONS)
        else:
            credentials = grpc.ssl_channel_credentials(endpoint.authority, endpoint.key, endpoint.certificate)
            self._channel = grpc.aio.secure_channel(endpoint.address, credentials, options=_OPTIONS)

    async def call(self, method: Method[Q, A], request: Q) -> A:
        """One request, one answer. Raises StoreUnavailable, CompactedThere, FutureThere."""
        try:
            answer = await self._channel.unary_unary(method.path)(encode(request, FIELDS), timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None
        return decode(answer, method.answer, FIELDS)

    def watch(self) -> WatchStream:
        return WatchStream(self._channel.stream_stream(WATCH.path)())

    async def close(self) -> None:
        """Wait for calls under way, then let go."""
        await self._channel.close(grace=TIMEOUT)


class WatchStream:
    """A stream of watch requests and responses. Raises StoreUnavailable when it breaks."""

    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call = call

    async def send(self, request: WatchRequest) -> None:
        try:
            await self._call.write(encode(request, FIELDS))
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None

    async def receive(self) -> WatchResponse:
        try:
            message = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None
        if message is grpc.aio.EOF:
            raise StoreUnavailable("etcd has ended a watch")
        return decode(message, WatchResponse, FIELDS)

    def cancel(self) -> None:
        self._call.cancel()
