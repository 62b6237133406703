"""A request on its way through the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct, field

from pilothouse.api import errors
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.call import Call
from pilothouse.apiserver.request.negotiation import ALL_SHAPES, PLAIN, TYPES, Media, accepted, wants_pretty
from pilothouse.apiserver.request.query import Query
from pilothouse.apiserver.request.request_info import RequestInfo
from pilothouse.apiserver.request.warnings import Warnings
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Answer, BodyTooLarge, Request
from pilothouse.kit.texts import remembered

BODY_LIMIT = 3 * 1024 * 1024


class Uploads(Protocol):
    """Counts the bodies that a user keeps the server waiting for."""

    def one(self, user: str) -> AbstractContextManager[None]:
        """One more while the block lasts; entering raises TooMany (a 429) for one too many."""
        ...


class Context(Struct, eq=False):
    """One authenticated and authorized request: `access` is what was authorized, `authorize` raises StatusError (403)
    for what is not. `media` is what to answer with, also for errors."""

    request: Request
    info: RequestInfo
    access: Access
    authorize: Callable[[Access], None]
    query: Query
    clock: Clock
    uploads: Uploads
    media: Media = PLAIN
    warnings: list[str] = field(default_factory=Warnings)
    size: int = 0
    """Bytes of the target, and of the body as far as it was read."""
    sent: Any = None
    """The JSON tree of the decoded body."""
    untracked: bool = False
    """The decoded body resets managedFields."""

    @property
    def user(self) -> UserInfo:
        return self.access.user

    def authorize_create(self) -> None:
        """Raises StatusError (403) unless what the request writes to may be created, too."""
        self.authorize(self.access._replace(verb="create"))

    def negotiate(
        self, listing: bool = False, shapes: frozenset[str] = ALL_SHAPES, objects: tuple[str, ...] = TYPES
    ) -> Media:
        """Settle the answer's media type, as `negotiation.accepted`. Raises StatusError (406)."""
        media = accepted(self.request.header(b"accept"), listing, shapes, objects)
        if wants_pretty(self.query.get("pretty"), self.request.header(b"user-agent")):
            media = media._replace(pretty=True)
        self.media = media
        return media

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """Raises StatusError (413), TooMany for one body too many of its user that has yet to arrive."""
        try:
            if self.request.complete:
                data = await self.request.body(limit)
            else:
                with self.uploads.one(self.access.user.username):
                    data = await self.request.body(limit)
        except BodyTooLarge:
            told = f"Request entity too large: limit is {limit}"
            raise errors.make(413, "RequestEntityTooLarge", told) from None
        self.size = max(self.size, len(data))
        return data

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def call(self, api_version: str, options: Any, subresource: str = "") -> Call:
        """The request as the registry sees it; `options` of a write."""
        info = self.info
        return Call(
            user=self.access.user,
            authorize_create=self.authorize_create,
            api_version=api_version,
            namespace=info.scope,
            name=info.name,
            subresource=subresource,
            dry_run=bool(getattr(options, "dry_run", ())),
            manager=getattr(options, "field_manager", "") or self.manager(),
            field_validation=getattr(options, "field_validation", ""),
            options=options,
            warnings=self.warnings,
            size=self.size,
            sent=self.sent,
            untracked=self.untracked,
        )

    def manager(self) -> str:
        return manager_of(self.request.header(b"user-agent"))


@remembered(256)
def manager_of(agent: bytes | None) -> str:
    """The field manager that a user agent stands for: its first part, at most 128 characters."""
    name = (agent or b"").decode("utf-8", "replace").partition("/")[0][:128]
    return "".join(c for c in name if c.isprintable()) or "unknown"


Handler = Callable[[Context], "Answer | Awaitable[Answer]"]
Headers = Sequence[tuple[bytes, bytes]]
