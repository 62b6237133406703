"""IPAddress."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
    required,
)
from pilothouse.api.types.networking.v1 import IPAddress
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.strategy import Cell, Strategy
from pilothouse.semantics.validation import addresses, names
from pilothouse.semantics.validation.meta import IMMUTABLE


def row(obj: IPAddress, now: float) -> Sequence[Cell]:
    """Upstream gives three cells under two columns."""
    parent = obj.spec.parent_ref
    told = NONE
    if parent is not None:
        resource = f"{parent.resource}.{parent.group}" if parent.group else parent.resource
        told = "/".join(part for part in (resource, parent.namespace, parent.name) if part)
    return obj.metadata.name, told, age(obj.metadata.creation_timestamp, now)


def name_rule(name: str, prefix: bool) -> Sequence[str]:
    """The name is the address, in its one canonical form."""
    return addresses.canonical_ip_faults(name)


def validate(obj: IPAddress) -> FieldErrors:
    parent = obj.spec.parent_ref
    if parent is None:
        return [required("spec.parentRef")]
    found: FieldErrors = []
    path = "spec.parentRef"
    if parent.group:
        found += [invalid(f"{path}.group", parent.group, fault) for fault in names.dns_subdomain(parent.group)]
    for name, value in (("resource", parent.resource), ("name", parent.name)):
        if not value:
            found.append(required(f"{path}.{name}"))
        else:
            found += [invalid(f"{path}.{name}", value, fault) for fault in names.path_segment(value)]
    if parent.namespace:
        found += [
            invalid(f"{path}.namespace", parent.namespace, fault) for fault in names.path_segment(parent.namespace)
        ]
    return found


def validate_update(new: IPAddress, old: IPAddress) -> FieldErrors:
    if new.spec.parent_ref == old.spec.parent_ref:
        return []
    return [invalid("spec.parentRef", new.spec.parent_ref, IMMUTABLE)]


STRATEGY = Strategy(
    type=IPAddress,
    prefix="ipaddresses",
    row=row,
    name=name_rule,
    validate=validate,
    validate_update=validate_update,
)
