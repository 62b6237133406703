"""How what clients send becomes objects, for kinds that no generated type stands behind."""

from __future__ import annotations

from typing import Any, Protocol

from pilothouse.api.codec.strict import Decoded


class BodyDecoder(Protocol):
    """Reads the bodies and patches of one version of a kind. Pure; problems in what it answers become warnings."""

    @property
    def patches(self) -> frozenset[str]:
        """The kinds of patches it takes, as in `generic.patching`."""
        ...

    def decode(self, data: bytes, media_type: str, validation: str) -> Decoded[Any]:
        """The object in the body of a create or update. Raises StatusError."""
        ...

    def patched(self, media_type: str, body: bytes, live: bytes, validation: str) -> Decoded[Any]:
        """What a patch makes of the object whose JSON is `live`. Raises StatusError."""
        ...
