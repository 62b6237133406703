"""What a proxied server's answer says of addresses, told as its client reaches them.

The Location of a redirect and the links of an HTML page are rewritten, by the rules of upstream's proxy transport
(apimachinery's `util/proxy`).
"""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote

from pilothouse.api import errors
from pilothouse.api.go_text import quote as quoted
from pilothouse.apiserver.streaming.carry import CarriedBody
from pilothouse.apiserver.streaming.html_links import LinkRewriter
from pilothouse.kit.http.messages import ConnectionClosed, Header, Response

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
# Characters that a path may have unescaped, and those that one is left with which is escaped anew.
_VALID_PATH = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:@\[\]/]|%[0-9A-Fa-f]{2})*\Z")
_KEPT = "/$&+,:;=@"
_MOST_AT_ONCE = 256 * 1024


class NotAnAddress(Exception):
    """A text that no URL is."""


class Address(NamedTuple):
    """A URL in parts, as Go's net/url parses it. `path` is as it was written; `tail` is the query and fragment."""

    scheme: str
    authority: str | None
    path: str
    tail: str

    def __str__(self) -> str:
        scheme = f"{self.scheme}:" if self.scheme else ""
        where = f"//{self.authority}" if self.authority is not None else ""
        return f"{scheme}{where}{_escaped(self.path)}{self.tail}"


def parsed(text: str) -> Address:
    """Raises NotAnAddress. What follows a scheme without a slash is no path, and stays as it is in `tail`."""
    if _CONTROL.search(text):
        raise NotAnAddress(f"parse {quoted(text)}: net/url: invalid control character in URL")
    before, mark, fragment = text.partition("#")
    found = _SCHEME.match(before)
    scheme, rest = (found.group(1).lower(), before[found.end() :]) if found else ("", before)
    if before.startswith(":"):
        raise NotAnAddress(f"parse {quoted(text)}: missing protocol scheme")
    rest, query_mark, query = rest.partition("?")
    tail = f"{query_mark}{query}{mark}{fragment}"
    if scheme and not rest.startswith("/"):
        return Address(scheme, None, "", rest + tail)
    authority = None
    if rest.startswith("//") and not rest.startswith("///"):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
    elif not scheme and ":" in rest.partition("/")[0]:
        raise NotAnAddress(f"parse {quoted(text)}: first path segment in URL cannot contain colon")
    if bad := _BAD_ESCAPE.search(rest):
        raise NotAnAddress(f"parse {quoted(text)}: invalid URL escape {quoted(bad.group())}")
    return Address(scheme, authority, rest, tail)


def _escaped(path: str) -> str:
    return path if _VALID_PATH.match(path) else quote(unquote(path, "latin-1"), _KEPT, "latin-1")


class Rules(NamedTuple):
    """What is rewritten, all in Latin-1. `prefix`: the path that the client reaches the server under, unescaped.
    `host`: what the server is called where it is dialled. `asked`: the Host header of the request."""

    prefix: str
    host: str
    asked: str

    def rewritten(self, text: str) -> str:
        """A link or Location. Raises NotAnAddress. Relative ones and those of other hosts stay."""
        address = parsed(text)
        host = (address.authority or "").rpartition("@")[2]
        elsewhere = host and host not in (self.asked, self.host)
        if elsewhere or not address.path.startswith("/"):
            return str(address)
        if host != self.asked:
            address = address._replace(scheme="", authority=None)
        path = unquote(address.path, "latin-1")
        if path.startswith(self.prefix):
            return str(address)
        joined = posixpath.normpath(self.prefix + path)
        joined += "/" if path.endswith("/") and not joined.endswith("/") else ""
        return str(address._replace(path=quote(joined, _KEPT, "latin-1")))

    def link(self, text: str) -> str:
        """A link; one that cannot be read stays as it is."""
        try:
            return self.rewritten(text)
        except NotAnAddress:
            return text


def rewritten(answer: Response, rules: Rules) -> Response:
    """`answer` with its Location, or the links of its page, rewritten. Raises StatusError (500) for a Location that
    cannot be read."""
    headers = list(answer.headers)
    for at, (name, value) in enumerate(headers):
        if name.lower() == b"location" and value:
            headers[at] = (name, _location(value, rules))
            return replace(answer, headers=headers)
    if answer.content_type.partition(b";")[0].strip() != b"text/html" or not isinstance(answer.body, CarriedBody):
        return answer
    encodings = [value for name, value in headers if name.lower() == b"content-encoding"]
    coding = _CODINGS.get(encodings[0] if encodings else b"")
    if coding is None:
        return answer
    kept: list[Header] = [header for header in headers if header[0].lower() != b"content-length"]
    return replace(answer, headers=kept, body=RewrittenPage(answer.body, LinkRewriter(rules.link), coding()))


def _location(value: bytes, rules: Rules) -> bytes:
    try:
        return rules.rewritten(value.decode("latin-1")).encode("latin-1")
    except NotAnAddress as error:
        raise errors.internal(f"error trying to parse Location header: {error}") from None


class Coding(Protocol):
    """How a page is compressed."""

    def decoded(self, data: bytes) -> Iterator[bytes]:
        """In bounded pieces: a few bytes may stand for many. Raises zlib.error."""
        ...

    def encoded(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class Plain:
    """Not at all."""

    def decoded(self, data: bytes) -> Iterator[bytes]:
        yield data

    def encoded(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class Deflated:
    """By zlib; `window` says in which form (its `wbits`)."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflate = zlib.decompressobj(window)
        self._deflate = zlib.compressobj(wbits=window)

    def decoded(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:  # one stream behind the other
                self._inflate = zlib.decompressobj(self._window)
            yield self._inflate.decompress(data, _MOST_AT_ONCE)
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def encoded(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH) if data else b""

    def finish(self) -> bytes:
        return self._deflate.flush()


_CODINGS: dict[bytes, Callable[[], Coding]] = {
    b"": Plain,
    b"gzip": lambda: Deflated(zlib.MAX_WBITS | 16),
    b"deflate": lambda: Deflated(-zlib.MAX_WBITS),
}


class RewrittenPage:
    """A page on its way, with its links rewritten; letting go of it closes the connection behind it."""

    def __init__(self, body: CarriedBody, links: LinkRewriter, coding: Coding) -> None:
        self._body = body
        self._pieces = _pieces(body, links, coding)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        await self._pieces.aclose()
        await self._body.aclose()


async def _pieces(body: CarriedBody, links: LinkRewriter, coding: Coding) -> AsyncGenerator[bytes, None]:
    """Raises ConnectionClosed."""
    try:
        async for data in body:
            for piece in coding.decoded(data):
                if sent := coding.encoded(links.feed(piece)):
                    yield sent
    except zlib.error as error:
        raise ConnectionClosed(f"a page that cannot be read: {error}") from None
    if sent := coding.encoded(links.close()) + coding.finish():
        yield sent
