"""The seam of admission: what a plugin sees of a write, and what it may do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.request.warnings import Warnings

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Attributes(Struct, kw_only=True, eq=False):
    """One write on its way to the store.

    `obj` is the object as it would be stored (a generated Struct; a dict for custom resources; None for DELETE; the
    options of the connection for CONNECT). It is frozen: a mutating plugin puts a changed copy in its place.
    `old_obj` is what is stored now (UPDATE, DELETE). `name` is empty while a generateName has not been used.
    `options` is the CreateOptions, UpdateOptions, PatchOptions or DeleteOptions of the request, where there are any.
    """

    operation: Operation
    group: str
    version: str
    resource: str
    kind: str
    """The kind of `obj`; `kind_group` and `kind_version` say where it is from (a Scale of a Deployment)."""
    user: UserInfo
    subresource: str = ""
    kind_group: str | None = None
    kind_version: str | None = None
    namespace: str = ""
    name: str = ""
    obj: Any = None
    old_obj: Any = None
    options: Any = None
    dry_run: bool = False
    warnings: list[str] = field(default_factory=Warnings)
    """Sent to the client, each once."""
    audit_annotations: dict[str, str] = field(default_factory=dict)
    size: int = 0
    """About how many bytes there are to work on."""
    ended: Callable[[], None] | None = None
    """Set by a plugin that must know when the write was stored or refused; called once."""

    def end(self) -> None:
        """The write was stored or refused."""
        ended, self.ended = self.ended, None
        if ended is not None:
            ended()

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Plugin(Protocol):
    """What all plugins have. `handles` is asked once for each kind of write and remembered."""

    name: str

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool: ...


class MutatingPlugin(Plugin, Protocol):
    """May complete or change `attributes.obj`. Runs before validation."""

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError to refuse."""
        ...


class ValidatingPlugin(Plugin, Protocol):
    """Sees the final object and may only refuse it. Runs after validation, right before the store."""

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError to refuse."""
        ...


class Admission(Protocol):
    """What the registry calls (`chain.Chain` is one)."""

    async def admit(self, attributes: Attributes) -> None:
        """Every mutating plugin in order. Raises StatusError."""
        ...

    async def validate(self, attributes: Attributes) -> None:
        """Every validating plugin in order. Raises StatusError."""
        ...

    def plugins(self) -> Sequence[str]:
        """The names of the plugins, in order."""
        ...
