"""Who is this? SelfSubjectReview about oneself, TokenReview about the holder of a token."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.errors import bad_request
from pilothouse.api.time import format_time
from pilothouse.api.types.authentication.v1 import (
    SelfSubjectReview,
    SelfSubjectReviewStatus,
    TokenReview,
    TokenReviewStatus,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.authn.interface import BadCredentials
from pilothouse.apiserver.authn.union import ReviewedTokens
from pilothouse.apiserver.reviews.interface import Call
from pilothouse.kit.clock import Clock

GROUP = "authentication.k8s.io"


class SelfSubject:
    """SelfSubjectReview. Nothing of what was posted comes back."""

    resource = (GROUP, "selfsubjectreviews", "")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def defaults(self, obj: Any) -> Any:
        return obj

    async def create(self, obj: SelfSubjectReview, call: Call) -> SelfSubjectReview:
        await call.admitted(obj)
        return SelfSubjectReview(
            metadata=ObjectMeta(creation_timestamp=format_time(self._clock.now())),
            status=SelfSubjectReviewStatus(user_info=call.user),
        )


class TokenReviews:
    """TokenReview. When authentication fails, the user that the client wrote there stays, as upstream has it."""

    resource = (GROUP, "tokenreviews", "")

    def __init__(self, tokens: ReviewedTokens, audiences: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._audiences = audiences

    def defaults(self, obj: Any) -> Any:
        return obj

    async def create(self, obj: TokenReview, call: Call) -> TokenReview:
        # A review has no place in any namespace, and none comes back.
        obj = replace(obj, metadata=replace(obj.metadata, namespace=""))
        if not obj.spec.token:
            raise bad_request("token is required for TokenReview in authentication")
        await call.admitted(obj)
        wanted = obj.spec.audiences
        try:
            found = self._tokens.authenticate_token(obj.spec.token, wanted or self._audiences)
        except BadCredentials as error:
            return replace(obj, status=replace(obj.status, authenticated=False, error=str(error)))
        audiences = tuple(a for a in found.audiences or self._audiences if a in (wanted or self._audiences))
        return replace(obj, status=TokenReviewStatus(authenticated=True, user=found.user, audiences=audiences))
