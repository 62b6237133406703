"""IngressClass."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.networking.v1 import IngressClass
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import NONE, age


def defaults(obj: IngressClass) -> IngressClass:
    parameters = obj.spec.parameters
    if parameters is None or parameters.scope is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, parameters=replace(parameters, scope="Cluster")))


def row(obj: IngressClass, now: float) -> Sequence[Cell]:
    parameters = obj.spec.parameters
    told = NONE
    if parameters is not None:
        kind = f"{parameters.kind}.{parameters.api_group}" if parameters.api_group else parameters.kind
        told = f"{kind}/{parameters.name}"
    return obj.metadata.name, obj.spec.controller, told, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=IngressClass,
    prefix="ingressclasses",
    generation=("spec",),
    row=row,
    defaults=defaults,
)
