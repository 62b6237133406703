"""References to objects of any kind by group, kind and name. Pure."""

from __future__ import annotations

from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.types.core.v1 import TypedLocalObjectReference
from pilothouse.api.types.networking.v1 import IngressClassParametersReference
from pilothouse.semantics.validation import names


def local_reference(found: TypedLocalObjectReference | IngressClassParametersReference, path: str) -> FieldErrors:
    """Errors of group, kind and name."""
    errors: FieldErrors = []
    if found.api_group is not None:
        errors += [invalid(f"{path}.apiGroup", found.api_group, f) for f in names.dns_subdomain(found.api_group)]
    for name, value in (("kind", found.kind), ("name", found.name)):
        if not value:
            errors.append(required(f"{path}.{name}"))
        else:
            errors += [invalid(f"{path}.{name}", value, fault) for fault in names.path_segment(value)]
    return errors
