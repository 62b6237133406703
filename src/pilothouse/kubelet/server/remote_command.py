"""exec and attach: a session in the runtime joined to a client's streams, whatever carries those."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.api.codec import json
from pilothouse.api.types.meta.v1 import Status, StatusCause, StatusDetails
from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.server.host import Refused
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.seams.streams import ByteReader, ByteWriter, ExitStatus, Session, StreamClosed

GONE = (ConnectionClosed, StreamClosed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams a client asks for. With a terminal there is no stderr."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @property
    def apart(self) -> bool:
        """Whether stderr is a stream of its own."""
        return self.stderr and not self.tty


def wanted(query: Mapping[str, Sequence[str]]) -> Wanted:
    """What a request's parameters ask for. Raises Refused."""

    def flag(name: str) -> bool:
        return query.get(name, ("",))[0] == "1"

    found = Wanted(flag("input"), flag("output"), flag("error"), flag("tty"))
    if not (found.stdin or found.stdout or found.stderr):
        raise Refused(400, "you must specify at least 1 of stdin, stdout, stderr")
    return found


class Writer(Protocol):
    async def write(self, data: bytes) -> None:
        """Raises ConnectionClosed."""
        ...


@dataclass(slots=True)
class ClientStreams:
    """The client's side. `finish` tells the outcome and closes; `gone` returns once the client is away."""

    stdin: ByteReader | None
    stdout: Writer | None
    stderr: Writer | None
    resizes: AsyncIterator[tuple[int, int]] | None
    finish: Callable[[Outcome], Awaitable[None]]
    gone: Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `code` of the process, or `error` if it could not be run or followed."""

    code: int
    error: str = ""
    command: str = ""

    def status(self) -> Status:
        """As version 4 of the protocol tells it."""
        if self.error:
            cause = StatusCause(message=self.error)
            return Status(
                status="Failure",
                message=f"Internal error occurred: {self.error}",
                reason="InternalError",
                details=StatusDetails(causes=(cause,)),
                code=500,
            )
        if self.code == 0:
            return Status(status="Success")
        return Status(
            status="Failure",
            message=self._text(),
            reason="NonZeroExitCode",
            details=StatusDetails(causes=(StatusCause(reason="ExitCode", message=str(self.code)),)),
        )

    def encode(self, version: int) -> bytes:
        """What goes over the error stream."""
        if version >= 4:
            return json.encode(self.status())
        return (self.error or (self._text() if self.code else "")).encode()

    def _text(self) -> str:
        return (
            f"command terminated with non-zero exit code: error executing command {self.command}, exit code {self.code}"
        )


async def run(begin: Callable[[], Awaitable[Session]], client: ClientStreams, what: str, command: str) -> None:
    """Begin a session, join it to `client`, tell its outcome. Ends early when the client goes."""
    try:
        session = await begin()
    except RuntimeFailure as failure:
        await client.finish(Outcome(-1, f"error {what} container: {failure}", command))
        return
    async with TaskScope("remote-command", on_failure=_told) as scope:
        leaving = scope.spawn(client.gone(), "gone")
        working = scope.spawn(_join(session, client, scope), "join")
        try:
            await asyncio.wait((leaving, working), return_when=asyncio.FIRST_COMPLETED)
            if working.done() and not working.cancelled() and working.exception() is None:
                await client.finish(_outcome(working.result(), what, command))
        finally:
            await session.close()


def _outcome(status: ExitStatus, what: str, command: str) -> Outcome:
    if status.message:
        told = status.message.removeprefix("Internal error occurred: ")
        return Outcome(-1, told if told.startswith("error ") else f"error {what} container: {told}", command)
    return Outcome(status.code, "", command)


async def _join(session: Session, client: ClientStreams, scope: TaskScope) -> ExitStatus:
    if client.stdin is not None and session.stdin is not None:
        scope.spawn(_feed(client.stdin, session.stdin), "stdin")
    if client.resizes is not None:
        scope.spawn(_resize(client.resizes, session), "resize")
    outputs = [scope.spawn(_copy(session.stdout, client.stdout), "stdout")]
    if session.stderr is not None:
        outputs.append(scope.spawn(_copy(session.stderr, client.stderr), "stderr"))
    status = await session.wait()
    await asyncio.wait(outputs)
    return status


async def _feed(source: ByteReader, sink: ByteWriter) -> None:
    try:
        while data := await source.read():
            await sink.write(data)
    except GONE:
        pass
    finally:
        await sink.close()


async def _copy(source: ByteReader, sink: Writer | None) -> None:
    try:
        while data := await source.read():
            if sink is not None:
                await sink.write(data)
    except GONE:
        return


async def _resize(sizes: AsyncIterator[tuple[int, int]], session: Session) -> None:
    try:
        async for width, height in sizes:
            await session.resize(width, height)
    except (*GONE, RuntimeFailure):
        return


def _told(name: str, failure: BaseException) -> None:
    """The task log has it; the client's streams are closed by the end of the run."""
