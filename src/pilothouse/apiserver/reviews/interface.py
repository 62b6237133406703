"""The seam of reviews: the registry decodes and encodes them like any object, and asks these for the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.api.types.authentication.v1 import UserInfo


@dataclass(frozen=True, slots=True)
class Call:
    """A POST of a review. `name` is that of the parent object for a subresource (serviceaccounts/token).

    `admitted` runs validating admission on what would be created; a review calls it once it has found the object valid.
    `size`: about how many bytes there are to work on.
    """

    user: UserInfo
    namespace: str
    name: str
    admitted: Callable[[Any], Awaitable[None]]
    size: int = 0


class Review(Protocol):
    """One kind of question. `resource` is where it is posted: `(group, resource, subresource)`."""

    resource: tuple[str, str, str]

    def defaults(self, obj: Any) -> Any:
        """The object with the API's defaults filled in, before anything else looks at it."""
        ...

    async def create(self, obj: Any, call: Call) -> Any:
        """The answer, a complete object. Raises StatusError."""
        ...
