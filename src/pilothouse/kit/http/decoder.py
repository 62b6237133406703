"""Bytes in, requests out: llhttp (strict) with the checks that Go's server makes besides.

Two readings of one message are how requests are smuggled, so whatever is ambiguous is refused: llhttp itself refuses
Content-Length beside Transfer-Encoding, repeated lengths, folded lines, bare line feeds, bad chunk sizes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

import httptools

from pilothouse.kit.http.heads import BadRequest
from pilothouse.kit.http.messages import Header
from pilothouse.kit.http.request import IncomingRequest

MAX_HEADERS = 1000
_SPECIAL = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"))
_HOST = re.compile(rb"[A-Za-z0-9!$%&'()*+,\-.:;=\[\]_~]*")
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)
_METHODS: dict[bytes, str] = {}
# llhttp knows a list of methods, Go's server any token: a request with another one is read as if it had this.
_METHOD, _STAND_IN = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64})(?= )"), b"POST"


class RequestDecoder:
    """Fed with a connection's bytes; complete heads appear in `ready`, bodies go to their requests.

    `upgrade` is set once a request asked to leave HTTP: `remainder` then holds what followed its head, and nothing
    more may be fed until `resume` (the request was declined)."""

    def __init__(self, make_request: Callable[[], IncomingRequest], head_limit: int) -> None:
        self.ready: deque[IncomingRequest] = deque()
        self.current: IncomingRequest | None = None
        """The request whose body is arriving."""
        self.in_head = False
        self.upgrade = False
        self.remainder = b""
        self._make_request = make_request
        self._head_limit = head_limit
        self._head_bytes = 0
        self._refusal: BadRequest | None = None
        self._finished = False
        self._body_of: IncomingRequest | None = None
        self._begun = 0
        self._method = b""
        self._restart()

    @property
    def head_bytes(self) -> int:
        """How much of the head that is arriving has come; 0 without one."""
        return self._head_bytes if self.in_head else 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises BadRequest; after that, and after a request that closes, nothing more is read."""
        if self._finished:
            return
        if self.upgrade:
            self.remainder += data
            return
        begun = self._begun + 1 if self.current is None and not self.in_head else 0
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._leave(data[upgrade.args[0] :])
            return
        except httptools.HttpParserInvalidMethodError as error:
            # Only at the start of `data` is it known where the method stands.
            other = _METHOD.match(data) if begun == self._begun else None
            if other is None:
                self._stop(error)
                return
            self._method, self.in_head = other[1], False
            self._restart()
            self.feed(_STAND_IN + data[other.end() :])
            return
        except httptools.HttpParserError as error:
            self._stop(error)
        if self.in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._head_limit:
                self._finished = True
                raise BadRequest(431)

    def _stop(self, error: httptools.HttpParserError) -> None:
        if not self._finished:  # else it is only what follows a request that closes
            self._finished = True
            raise self._refusal or BadRequest(400) from error

    def resume(self) -> bytes:
        """The upgrade was declined: what followed it, to be fed again."""
        remainder, self.remainder, self.upgrade = self.remainder, b"", False
        self._restart()
        return remainder

    def _restart(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def _leave(self, rest: bytes) -> None:
        request = self.ready[-1]
        if not (request.length or self._chunked):
            self.upgrade, self.remainder = True, rest
            request.upgradable = True
            return
        # llhttp stops in front of the body of a request that names an Upgrade; such a request can't be upgraded, and
        # its body is read as if it had not asked. The head below only tells a new parser what follows.
        request.complete = self._finished = False
        self._restart()
        frame = b"Transfer-Encoding: chunked" if self._chunked else b"Content-Length: %d" % (request.length or 0)
        self._body_of = request
        self._parser.feed_data(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % frame)
        self.feed(rest)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        self.in_head = True
        self._begun += 1
        self._head_bytes = 0
        self._target = b""
        self._headers: list[Header] = []
        self._host: bytes | None = None
        self._length: int | None = None
        self._chunked = False
        self._close = self._keep = self._expect = False

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            return  # a trailer
        name = name.lower()
        headers = self._headers
        headers.append((name, value))
        if name in _SPECIAL:
            self._note(name, value)
        if len(headers) > MAX_HEADERS:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        self.in_head = False
        if self._body_of is not None:
            self.current, self._body_of = self._body_of, None
            return
        request = self._make_request()
        request.minor_version = self._check()
        name, other = self._parser.get_method(), self._method
        request.method = _METHODS.get(name) or _METHODS.setdefault(name, name.decode("ascii"))
        if other:
            request.method, self._method = other.decode("ascii"), b""
        target = self._target
        if target[0] != 0x2F and (absolute := _ABSOLUTE.match(target)):
            target = target[absolute.end() :]
            target = target if target.startswith(b"/") else b"/" + target
        request.target = target
        request.headers = self._headers
        request.length = self._length
        request.expects_continue = self._expect
        request.keep_alive = (
            not self._close and (request.minor_version == 1 or self._keep) and request.method != "CONNECT"
        )
        self.current = request
        self.ready.append(request)

    def on_body(self, piece: bytes) -> None:
        if self.current is not None:
            self.current.arrived(piece)

    def on_message_complete(self) -> None:
        request, self.current = self.current, None
        if request is None:
            return
        request.completed()
        if not request.keep_alive:
            self._finished = True

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            if self._host is not None:
                self._refuse(400, "too many Host headers")
            self._host = value
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            if self._chunked or value.strip().lower() != b"chunked":
                self._refuse(501, "Unsupported transfer encoding")
            self._chunked = True
        elif name == b"connection":
            tokens = [token.strip() for token in value.lower().split(b",")]
            self._close = self._close or b"close" in tokens
            self._keep = self._keep or b"keep-alive" in tokens
        elif value.lower() == b"100-continue":
            self._expect = True
        else:
            self._refuse(417)

    def _check(self) -> int:
        """Refuse what Go's server refuses; the minor version."""
        version = self._parser.get_http_version()
        if version == "1.1":
            if self._host is None:
                self._refuse(400, "missing required Host header")
        elif version != "1.0":
            self._refuse(505, "unsupported protocol version")
        elif self._chunked:
            self._refuse(400, "unsupported transfer encoding")
        if self._host and not _HOST.fullmatch(self._host):
            self._refuse(400, "malformed Host header")
        return 1 if version == "1.1" else 0

    def _refuse(self, status: int, why: str = "") -> None:
        self._refusal = BadRequest(status, why)
        raise self._refusal
