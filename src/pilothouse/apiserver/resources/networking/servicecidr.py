"""ServiceCIDR."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
    required,
)
from pilothouse.api.types.networking.v1 import ServiceCIDR
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.table.cells import age
from pilothouse.semantics.validation.meta import IMMUTABLE


def row(obj: ServiceCIDR, now: float) -> Sequence[Cell]:
    return obj.metadata.name, ",".join(obj.spec.cidrs), age(obj.metadata.creation_timestamp, now)


def validate(obj: ServiceCIDR) -> FieldErrors:
    cidrs = obj.spec.cidrs
    if not cidrs:
        return [required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > 2:
        return [invalid("spec.cidrs", obj.spec, "may only hold up to 2 values")]
    found: FieldErrors = []
    versions = []
    for index, cidr in enumerate(cidrs):
        try:
            network = ipaddress.ip_network(cidr, strict=False)
        except ValueError:
            told = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            found.append(invalid(f"spec.cidrs[{index}]", cidr, told))
            continue
        versions.append(network.version)
        if str(network) != cidr:
            told = "must not have bits set beyond the prefix length"
            found.append(invalid(f"spec.cidrs[{index}]", cidr, told))
    if len(versions) == 2 and versions[0] == versions[1]:
        told = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(invalid("spec.cidrs", cidrs, told))
    return found


def validate_update(new: ServiceCIDR, old: ServiceCIDR) -> FieldErrors:
    found: FieldErrors = []
    for index, cidr in enumerate(old.spec.cidrs):
        if index >= len(new.spec.cidrs) or new.spec.cidrs[index] != cidr:
            held = new.spec.cidrs[index] if index < len(new.spec.cidrs) else ""
            found.append(invalid(f"spec.cidrs[{index}]", held, IMMUTABLE))
    return found


STRATEGY = Strategy(
    type=ServiceCIDR,
    prefix="servicecidrs",
    status=Status(),
    row=row,
    validate=validate,
    validate_update=validate_update,
)
