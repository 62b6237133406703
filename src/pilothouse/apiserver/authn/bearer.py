"""Bearer tokens: found in the Authorization header (or in a WebSocket's subprotocol), tried on every kind of token.

An accepted token is remembered for ten seconds, as upstream does: that long it may outlive what it is bound to.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.apiserver.authn.interface import Authentication, BadCredentials, RequestHead, TokenAuthenticator
from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock

SUCCESS_SECONDS = 10.0
_REMEMBERED = 8192
TOKEN_PROTOCOL = b"base64url.bearer.authorization.k8s.io."
"""What the WebSocket subprotocol begins with that is a token; it is for this server alone."""
_PROTOCOL_PREFIX = TOKEN_PROTOCOL.decode()
_EXTRA_SPACE = "the provided Authorization header contains extra space before the bearer token, and is ignored"
INVALID = "invalid bearer token"


class Tokens:
    """All kinds of bearer tokens as one, with memory for those accepted."""

    def __init__(self, kinds: Sequence[TokenAuthenticator], clock: Clock) -> None:
        self._kinds = tuple(kinds)
        self._clock = clock
        self._accepted: dict[tuple[str, tuple[str, ...]], tuple[float, Authentication]] = {}

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication:
        """Whose token it is. Raises BadCredentials, whose text is what a TokenReview tells."""
        now = self._clock.monotonic()
        remembered = self._accepted.get((token, audiences))
        if remembered is not None and remembered[0] > now:
            return remembered[1]
        errors: list[str] = [INVALID]
        for kind in self._kinds:
            try:
                found = kind.authenticate_token(token, audiences)
            except BadCredentials as error:
                errors.append(str(error))
                continue
            if found is not None:
                self._remember((token, audiences), now, found)
                return found
        raise BadCredentials(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")

    def _remember(self, key: tuple[str, tuple[str, ...]], now: float, found: Authentication) -> None:
        if len(self._accepted) >= _REMEMBERED:
            self._accepted = {k: v for k, v in self._accepted.items() if v[0] > now}
            if len(self._accepted) >= _REMEMBERED:
                self._accepted.clear()
        self._accepted[key] = (now + SUCCESS_SECONDS, found)


class BearerAuthenticator:
    """The Authorization header's token."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def authenticate(self, head: RequestHead) -> Authentication | None:
        header = head.header(b"authorization")
        if not header:
            return None
        parts = header.decode("latin-1").strip().split(" ", 2)
        if len(parts) < 2 or parts[0].lower() != "bearer" or not parts[1]:
            return None
        return self._tokens.authenticate_token(parts[1], ())


class WebSocketAuthenticator:
    """The token that browsers, which cannot set headers, send as a subprotocol beside the real ones."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def authenticate(self, head: RequestHead) -> Authentication | None:
        if (head.header(b"upgrade") or b"").lower() != b"websocket":
            return None
        found = [p for p in _protocols(head) if p.startswith(_PROTOCOL_PREFIX)]
        if not found:
            return None
        if len(found) > 1:
            raise BadCredentials("multiple base64.bearer.authorization tokens specified")
        if len(_protocols(head)) == 1:
            raise BadCredentials("missing additional subprotocol")
        try:
            token = jwt.decode(found[0][len(_PROTOCOL_PREFIX) :]).decode("utf-8")
        except (jwt.BadToken, UnicodeDecodeError) as error:
            raise BadCredentials("invalid base64.bearer.authorization token encoding") from error
        return self._tokens.authenticate_token(token, ())


def _protocols(head: RequestHead) -> list[str]:
    values = [value for name, value in head.headers if name == b"sec-websocket-protocol"]
    return [p.strip() for value in values for p in value.decode("latin-1").split(",")]


def extra_space_warning(head: RequestHead) -> str:
    """The warning for `Bearer` and more than one space, which makes a request anonymous; empty otherwise."""
    header = head.header(b"authorization") or b""
    parts = header.decode("latin-1").strip().split(" ", 2)
    return _EXTRA_SPACE if len(parts) == 3 and parts[0].lower() == "bearer" and not parts[1] else ""
