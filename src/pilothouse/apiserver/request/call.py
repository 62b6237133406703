"""One request as the registry sees it, whether it came over HTTP or from a client in the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from pilothouse.api import errors
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.request.warnings import Warnings


def _no_authorizer() -> None:
    raise errors.internal("no authorizer provided, unable to authorize a create on update")


class Call(Struct, kw_only=True, eq=False):
    """Who asks for what, and how. `api_version` is the version the client speaks."""

    user: UserInfo
    api_version: str
    authorize_create: Callable[[], None] = _no_authorizer
    """Raises StatusError (403) unless an update or patch may create what it does not find."""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    dry_run: bool = False
    manager: str = "unknown"
    """The field manager: the parameter, or the client's user agent up to its first slash."""
    field_validation: str = ""
    options: Any = None
    """The CreateOptions, UpdateOptions, PatchOptions or DeleteOptions, where admission may want to see them."""
    warnings: list[str] = field(default_factory=Warnings)
    size: int = 0
    """The bytes of the body or of the object it changes: how much work the request may be."""
    sent: Any = None
    """The JSON tree of the body, where there is one."""
    untracked: bool = False
    """The body resets managedFields: they are dropped, and this write is not tracked."""

    def warn(self, text: str) -> None:
        self.warnings.append(text)
