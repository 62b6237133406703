"""What every stored kind has."""

from __future__ import annotations

from typing import Protocol

from pilothouse.api.types.meta.v1 import ObjectMeta


class Object(Protocol):
    """A generated Struct of a kind: all have these, frozen."""

    @property
    def kind(self) -> str: ...

    @property
    def api_version(self) -> str: ...

    @property
    def metadata(self) -> ObjectMeta: ...
