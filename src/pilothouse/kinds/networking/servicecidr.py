"""ServiceCIDR."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
    required,
)
from pilothouse.api.types.networking.v1 import ServiceCIDR
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, Status, Strategy
from pilothouse.semantics.validation import addresses
from pilothouse.semantics.validation.meta import IMMUTABLE

_MOST = 2


def row(obj: ServiceCIDR, now: float) -> Sequence[Cell]:
    return obj.metadata.name, ",".join(obj.spec.cidrs), age(obj.metadata.creation_timestamp, now)


def validate(obj: ServiceCIDR) -> FieldErrors:
    cidrs = obj.spec.cidrs
    if not cidrs:
        return [required("spec.cidrs", "at least one CIDR required")]
    if len(cidrs) > _MOST:
        return [invalid("spec.cidrs", obj.spec, "may only hold up to 2 values")]
    found = [error for index, cidr in enumerate(cidrs) for error in addresses.canonical_cidr(_at(index), cidr)]
    networks = [network for network in map(addresses.parse_network, cidrs) if network is not None]
    if len(networks) == _MOST and networks[0].version == networks[1].version:
        told = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        found.append(invalid("spec.cidrs", cidrs, told))
    return found


def _at(index: int) -> str:
    return f"spec.cidrs[{index}]"


def validate_update(new: ServiceCIDR, old: ServiceCIDR) -> FieldErrors:
    """A network of one family may get one of the other; nothing else changes."""
    cidrs, before = new.spec.cidrs, old.spec.cidrs
    if len(cidrs) == len(before):
        pairs = enumerate(zip(cidrs, before, strict=True))
        return [invalid(_at(index), cidr, IMMUTABLE) for index, (cidr, former) in pairs if cidr != former]
    if (len(before), len(cidrs)) != (1, _MOST):
        return [invalid("spec.cidrs", cidrs, IMMUTABLE)]
    found = [invalid(_at(0), cidrs[0], IMMUTABLE)] if cidrs[0] != before[0] else []
    return found + validate(new)


STRATEGY = Strategy(
    type=ServiceCIDR,
    prefix="servicecidrs",
    status=Status(),
    row=row,
    validate=validate,
    validate_update=validate_update,
    tells_empty=True,
)
