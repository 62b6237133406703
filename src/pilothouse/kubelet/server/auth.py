"""Who may ask the kubelet for what: authentication by client certificate or token, authorization by review.

Follows upstream's kubelet/server/auth.go and KEP-2862 (fine-grained kubelet API authorization): a request is a verb on
the subresource of this Node that its path stands for; the API server decides, and its answers are remembered for a
while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import TokenReview, TokenReviewSpec, UserInfo
from pilothouse.api.types.authorization.v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from pilothouse.kit import tls
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Request
from pilothouse.machinery.client import Client, TransportError

# KubeletConfiguration's defaults: authentication.webhook.cacheTTL, authorization.webhook.cache(Un)AuthorizedTTL.
TOKEN_SECONDS = 120.0
ALLOWED_SECONDS, DENIED_SECONDS = 300.0, 30.0
MOST_REMEMBERED = 1000
AUTHENTICATED = "system:authenticated"

VERBS = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# Paths with a subresource of their own, and those that `proxy` opens as well.
ALONE = {"stats": "stats", "metrics": "metrics", "logs": "log", "checkpoint": "checkpoint"}
BESIDE_PROXY = {
    "healthz": "healthz",
    "pods": "pods",
    "runningpods": "pods",
    "configz": "configz",
    "statusz": "statusz",
    "flagz": "flagz",
}


class ReviewFailed(Exception):
    """The API server could not be asked."""


class Reviews(Protocol):
    """The API server's word. Everything may raise ReviewFailed."""

    async def user_of(self, token: str) -> UserInfo | None:
        """Whose token this is; None if it is nobody's."""
        ...

    async def allowed(self, user: UserInfo, verb: str, subresource: str) -> bool:
        """Whether the user may do this to the subresource of this node."""
        ...


class ApiReviews:
    """Asks with TokenReviews and SubjectAccessReviews."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node

    async def user_of(self, token: str) -> UserInfo | None:
        try:
            review = await self._client.create(TokenReview(spec=TokenReviewSpec(token=token)))
        except (StatusError, TransportError) as failure:
            raise ReviewFailed(str(failure)) from failure
        return review.status.user if review.status.authenticated else None

    async def allowed(self, user: UserInfo, verb: str, subresource: str) -> bool:
        about = ResourceAttributes(verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node)
        spec = SubjectAccessReviewSpec(
            resource_attributes=about, user=user.username, groups=user.groups, uid=user.uid, extra=dict(user.extra)
        )
        try:
            review = await self._client.create(SubjectAccessReview(spec=spec))
        except (StatusError, TransportError) as failure:
            raise ReviewFailed(str(failure)) from failure
        return review.status.allowed and not review.status.denied


def subresources(path: str) -> tuple[str, ...]:
    """The subresources of the Node that open `path` (without its query), any of which is enough."""
    first = path.strip("/").partition("/")[0]
    if first in ALONE:
        return (ALONE[first],)
    return (BESIDE_PROXY[first], "proxy") if first in BESIDE_PROXY else ("proxy",)


@dataclass(frozen=True, slots=True)
class Denied:
    """The answer to a request that may not be served."""

    status: int
    text: str


class KubeletAuth:
    """Decides on requests, and remembers what the API server said."""

    def __init__(self, reviews: Reviews, clock: Clock) -> None:
        self._reviews = reviews
        self._tokens: _Remembered[UserInfo | None] = _Remembered(clock.monotonic)
        self._decisions: _Remembered[bool] = _Remembered(clock.monotonic)
        self._certificates: dict[bytes, UserInfo | None] = {}

    async def decide(self, request: Request, path: str) -> Denied | None:
        """None if the request may be served."""
        try:
            user = await self._user(request)
        except ReviewFailed:
            user = None
        if user is None:
            return Denied(401, "Unauthorized")
        verb, tried = VERBS.get(request.method, ""), subresources(path)
        for subresource in tried:
            try:
                if await self._allowed(user, verb, subresource):
                    return None
            except ReviewFailed:
                about = f"user={user.username}, verb={verb}, resource=nodes, subresource={subresource}"
                return Denied(500, f"Authorization error ({about})")
        about = f"user={user.username}, verb={verb}, resource=nodes, subresource(s)=[{' '.join(tried)}]"
        return Denied(403, f"Forbidden ({about})\n")

    async def _user(self, request: Request) -> UserInfo | None:
        """Who asks: by a certificate of the cluster's authority, which the handshake has verified, or by a token."""
        if request.peer_certificate is not None:
            return self._of_certificate(request.peer_certificate)
        scheme, _, token = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        key = hashlib.sha256(token.encode()).digest()
        known = self._tokens.get(key)
        if known is None:
            known = (await self._reviews.user_of(token.strip()),)
            self._tokens.put(key, known[0], TOKEN_SECONDS)
        return known[0]

    def _of_certificate(self, certificate: bytes) -> UserInfo | None:
        if certificate not in self._certificates:
            if len(self._certificates) >= MOST_REMEMBERED:
                self._certificates.clear()
            try:
                about = tls.inspect(certificate)
            except tls.CertificateError:
                self._certificates[certificate] = None
            else:
                groups = (*about.organizations, AUTHENTICATED)
                user = UserInfo(username=about.common_name, groups=groups) if about.common_name else None
                self._certificates[certificate] = user
        return self._certificates[certificate]

    async def _allowed(self, user: UserInfo, verb: str, subresource: str) -> bool:
        extra = tuple(sorted((key, tuple(values)) for key, values in user.extra.items()))
        key = (user.username, user.uid, user.groups, extra, verb, subresource)
        known = self._decisions.get(key)
        if known is None:
            known = (await self._reviews.allowed(user, verb, subresource),)
            self._decisions.put(key, known[0], ALLOWED_SECONDS if known[0] else DENIED_SECONDS)
        return known[0]


V = TypeVar("V")


class _Remembered(Generic[V]):
    """Values that hold for a time; the oldest go first when there are too many."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._values: dict[Hashable, tuple[float, V]] = {}

    def get(self, key: Hashable) -> tuple[V] | None:
        """The value, in a tuple; None if there is none that still holds."""
        entry = self._values.get(key)
        return None if entry is None or entry[0] <= self._now() else (entry[1],)

    def put(self, key: Hashable, value: V, seconds: float) -> None:
        self._values.pop(key, None)
        if len(self._values) >= MOST_REMEMBERED:
            del self._values[next(iter(self._values))]
        self._values[key] = (self._now() + seconds, value)
