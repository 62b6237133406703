"""One request carried to another server, and its answer back: with upgrades, in both directions, at both sides' pace.

What is ours to know stays here: credentials and impersonation headers are not passed on. Hop-by-hop headers end at
each hop. Redirects are the client's to follow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from pilothouse.api import errors, go_text
from pilothouse.apiserver.authn.bearer import TOKEN_PROTOCOL
from pilothouse.kit.http.client import BadAnswer, ClientRequest, ClientResponse, exchange
from pilothouse.kit.http.messages import Answer, ConnectionClosed, Header, RawStream, Request, Response, Upgrade
from pilothouse.kit.tasks import TaskScope

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
OURS = frozenset((b"authorization", b"content-length", b"expect"))
_CORS = b"access-control-"
_PROTOCOLS = b"sec-websocket-protocol"


def is_upgrade(request: Request) -> bool:
    """Whether `request` asks to leave HTTP."""
    connection = request.header(b"connection")
    return connection is not None and b"upgrade" in connection.lower()


def request_headers(request: Request, *, upgrade: bool, more: Sequence[Header] = ()) -> list[Header]:
    """The headers to send on, without what the client proved itself with; `more` replace those of the same name."""
    named = {token.strip().lower() for token in (request.header(b"connection") or b"").split(b",")}
    replaced = {name.lower() for name, _ in more}
    forwarded = [value for name, value in request.headers if name == b"x-forwarded-for"]
    kept = []
    for name, value in request.headers:
        if name in OURS or name in replaced or name.startswith(b"impersonate-") or name == b"x-forwarded-for":
            continue
        if (name in HOP_BY_HOP or name in named) and not (upgrade and name in (b"connection", b"upgrade")):
            continue
        if name == _PROTOCOLS and TOKEN_PROTOCOL in value and not (value := _without_token(value)):
            continue
        kept.append((name, value))
    kept.append((b"x-forwarded-for", b", ".join([*forwarded, request.remote[0].encode("ascii")])))
    return [*kept, *more]


def _without_token(protocols: bytes) -> bytes:
    """Subprotocols without the one that browsers send their bearer token as."""
    return b", ".join(p for p in map(bytes.strip, protocols.split(b",")) if not p.startswith(TOKEN_PROTOCOL))


class CarriedBody:
    """The answer's body; letting go of it closes the connection behind it."""

    def __init__(self, response: ClientResponse, stack: contextlib.AsyncExitStack) -> None:
        self._pieces = response.pieces()
        self._stack = stack

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except BadAnswer as error:
            raise ConnectionClosed(str(error)) from None

    async def aclose(self) -> None:
        await self._stack.aclose()


def unreachable(error: Exception) -> errors.StatusError:
    """What a client is told when the other side cannot be reached."""
    return errors.make(500, "", f"error dialing backend: {error}")


async def carry(stream: RawStream, request: Request, target: bytes, headers: Sequence[Header]) -> Answer:
    """Ask over `stream` what `request` asks, under `target`, and answer with what comes. Raises StatusError: 503 if
    the other side breaks off, 500 for a switch to a protocol that was not asked for, as upstream's
    apimachinery/pkg/util/proxy tells of what httputil.ReverseProxy refuses."""
    length = request.header(b"content-length")
    has_body = length not in (None, b"0") or request.header(b"transfer-encoding") is not None
    sent = ClientRequest(
        request.method,
        target,
        headers,
        request.stream_body() if has_body else b"",
        int(length) if has_body and length is not None else None,
    )
    stack = contextlib.AsyncExitStack()
    handed_over = False
    try:
        response = await stack.enter_async_context(exchange(stream, sent))
        if response.upgraded is not None and not is_upgrade(request):
            protocol = go_text.quote((response.header(b"upgrade") or b"").decode("latin-1"))
            raise errors.make(500, "", f'backend tried to switch protocol {protocol} when "" was requested')
        answer = _answer(response, stack)
        handed_over = True
        return answer
    except (ConnectionClosed, BadAnswer) as error:
        raise errors.make(503, "ServiceUnavailable", f"error trying to reach service: {error}") from None
    finally:
        if not handed_over:
            await stack.aclose()


def _answer(response: ClientResponse, stack: contextlib.AsyncExitStack) -> Answer:
    if response.upgraded is not None:
        remote = response.upgraded

        async def run(stream: RawStream) -> None:
            try:
                await splice(stream, remote)
            finally:
                await stack.aclose()

        headers = [header for header in response.headers if header[0].lower() != b"content-length"]
        return Upgrade(headers, run)
    named = {token.strip().lower() for token in (response.header(b"connection") or b"").split(b",")}
    kept: list[Header] = []
    content_type = b""
    for name, value in response.headers:
        lower = name.lower()
        if lower in HOP_BY_HOP or lower in named or lower.startswith(_CORS) or lower == b"date":
            continue
        if lower == b"content-type" and not content_type:
            content_type = value
        else:
            kept.append((name, value))
    return Response(response.status, CarriedBody(response, stack), content_type, kept)


async def upgraded(answer: Answer) -> Answer:
    """`answer`, if it is an upgrade or a refusal. Raises StatusError (500) for anything else."""
    if isinstance(answer, Upgrade) or answer.status >= 400:
        return answer
    if isinstance(answer.body, CarriedBody):
        await answer.body.aclose()
    raise errors.make(500, "", f"invalid upgrade response: status code {answer.status}")


async def splice(one: RawStream, other: RawStream) -> None:
    """Carry bytes both ways until either side has ended."""
    async with TaskScope("splice", on_failure=told) as scope:
        there = scope.spawn(_copy(one, other), "there")
        back = scope.spawn(_copy(other, one), "back")
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)


async def _copy(source: RawStream, sink: RawStream) -> None:
    try:
        while data := await source.read():
            await sink.write(data)
    except ConnectionClosed:
        return


def told(name: str, failure: BaseException) -> None:
    """The task log has it; both sides are closed."""
