"""Ingress."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.networking.v1 import Ingress
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.table.cells import NONE, age

_SHOWN_HOSTS = 3


def row(obj: Ingress, now: float) -> Sequence[Cell]:
    spec = obj.spec
    hosts = [rule.host for rule in spec.rules if rule.host]
    more = len(hosts) - _SHOWN_HOSTS
    shown = ",".join(hosts[:_SHOWN_HOSTS]) or "*"
    addresses = [i.ip or i.hostname for i in obj.status.load_balancer.ingress if i.ip or i.hostname]
    return (
        obj.metadata.name,
        spec.ingress_class_name or NONE,
        f"{shown} + {more} more..." if more > 0 else shown,
        ",".join(addresses),
        "80, 443" if spec.tls else "80",
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=Ingress,
    prefix="ingress",
    generation=("spec",),
    status=Status(),
    row=row,
)
