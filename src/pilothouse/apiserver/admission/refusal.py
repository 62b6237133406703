"""The 403 of an admission plugin."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api import errors
from pilothouse.api.errors import StatusError
from pilothouse.apiserver.admission.interface import Attributes


def refused(attributes: Attributes, why: str) -> StatusError:
    """Forbidden because of `why`, named after the object (its generateName, if it has no name yet)."""
    return errors.forbidden(attributes.group, attributes.resource, name_of(attributes), why)


def refused_for(attributes: Attributes, reasons: Sequence[str]) -> StatusError:
    """The same for several reasons at once."""
    told = list(dict.fromkeys(reasons))
    return refused(attributes, told[0] if len(told) == 1 else f"[{', '.join(told)}]")


def name_of(attributes: Attributes) -> str:
    """What a refusal calls the object."""
    if attributes.name:
        return attributes.name
    metadata = getattr(attributes.obj, "metadata", None)
    if metadata is None and isinstance(attributes.obj, dict):
        tree = attributes.obj.get("metadata") or {}
        return str(tree.get("name") or tree.get("generateName") or "Unknown")
    return (metadata.name or metadata.generate_name or "Unknown") if metadata is not None else "Unknown"
