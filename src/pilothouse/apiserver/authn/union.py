"""All ways to tell who sends a request, in one: certificates, tokens, and nobody in particular."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.errors import unauthorized
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.bearer import Tokens, extra_space_warning
from pilothouse.apiserver.authn.interface import Authentication, Authenticator, BadCredentials, RequestHead

AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = UserInfo(username="system:anonymous", groups=(UNAUTHENTICATED,))
_NOBODY = Authentication(ANONYMOUS)


def with_authenticated(found: Authentication) -> Authentication:
    """The same with group system:authenticated, which everyone is in who was told from the others."""
    groups = found.user.groups
    if AUTHENTICATED in groups or UNAUTHENTICATED in groups:
        return found
    user = replace(found.user, groups=(*groups, AUTHENTICATED))
    return Authentication(user, found.audiences, found.warnings)


class RequestAuthentication:
    """Asks each authenticator in order; the first who knows the sender decides. Bad credentials are never anonymous."""

    def __init__(self, ways: Sequence[Authenticator], *, anonymous: bool = True) -> None:
        self._ways = tuple(ways)
        self._anonymous = anonymous
        # Authenticators remember their answers, so that equal answers are the same object: complete each only once.
        self._complete: dict[int, tuple[Authentication, Authentication]] = {}

    def authenticate(self, head: RequestHead) -> Authentication:
        """Who sends the request. Raises StatusError 401."""
        failed = False
        for way in self._ways:
            try:
                found = way.authenticate(head)
            except BadCredentials:
                failed = True
                continue
            if found is not None:
                return self._completed(found)
        if failed or not self._anonymous:
            raise unauthorized()
        warning = extra_space_warning(head)
        return Authentication(ANONYMOUS, (), (warning,)) if warning else _NOBODY

    def _completed(self, found: Authentication) -> Authentication:
        known = self._complete.get(id(found))
        if known is not None and known[0] is found:
            return known[1]
        if len(self._complete) >= 8192:
            self._complete.clear()
        complete = with_authenticated(found)
        self._complete[id(found)] = (found, complete)
        return complete


class ReviewedTokens:
    """Tokens as a TokenReview asks about them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def authenticate_token(self, token: str, audiences: tuple[str, ...]) -> Authentication:
        """Whose token it is, with group system:authenticated. Raises BadCredentials with the text to tell."""
        return with_authenticated(self._tokens.authenticate_token(token, audiences))
