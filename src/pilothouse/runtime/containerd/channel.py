"""gRPC to containerd over its unix socket, with the runtime's errors."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import TypeVar

# Children of this process exec at once; gRPC need not prepare for forks, nor write about them into the node's log.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

import grpc
import grpc.aio
from msgspec import Struct

from pilothouse.kit.protowire import Method, decode, encode
from pilothouse.runtime.generated.cri import FIELDS
from pilothouse.seams.runtime import DeadlineExceeded, NotFound, RuntimeFailure, RuntimeUnavailable

Q = TypeVar("Q", bound=Struct)
A = TypeVar("A", bound=Struct)
OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.enable_retries", 0),
)


def translate(error: grpc.aio.AioRpcError) -> RuntimeFailure:
    """The runtime's error for gRPC's: the text is containerd's own, as users of kubectl know it."""
    code, details = error.code(), error.details() or ""
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(details)
    if code is grpc.StatusCode.UNAVAILABLE:
        return RuntimeUnavailable(details)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(details)
    return RuntimeFailure(f"rpc error: code = {camel(code.name)} desc = {details}", details)


def camel(code: str) -> str:
    """gRPC's name of a status code as Go prints it: FAILED_PRECONDITION is FailedPrecondition."""
    return "".join(word.capitalize() for word in code.split("_"))


class Channel:
    """One connection, shared by all calls. It reconnects by itself; until then calls raise RuntimeUnavailable."""

    def __init__(self, socket: str) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{socket}", options=OPTIONS)

    async def call(self, method: Method[Q, A], request: Q, timeout: float | None = 120.0) -> A:
        """One request, one answer. Raises RuntimeFailure and its kind."""
        rpc = self._channel.unary_unary(method.path)
        try:
            answer = await rpc(encode(request, FIELDS), timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None
        return decode(answer, method.answer, FIELDS)

    async def raw(self, path: str, request: bytes, namespace: str = "k8s.io") -> bytes:
        """A call of one of containerd's own services, in bytes."""
        rpc = self._channel.unary_unary(path)
        try:
            answer: bytes = await rpc(request, metadata=(("containerd-namespace", namespace),), timeout=60.0)
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None
        return answer

    async def raw_stream(self, path: str, request: bytes) -> AsyncIterator[bytes]:
        """A streaming call of one of containerd's own services, until it breaks (RuntimeFailure) or ends."""
        call = self._channel.unary_stream(path)(request)
        try:
            async for message in call:
                yield message
        except grpc.aio.AioRpcError as error:
            raise translate(error) from None
        finally:
            call.cancel()

    async def close(self) -> None:
        await self._channel.close()
