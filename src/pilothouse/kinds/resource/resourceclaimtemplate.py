"""ResourceClaimTemplate."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.resource.v1 import ResourceClaimTemplate
from pilothouse.kinds.cells import age
from pilothouse.kinds.resource import requests
from pilothouse.kinds.strategy import Cell, Deletion, Strategy
from pilothouse.semantics.validation import meta
from pilothouse.semantics.validation.meta import IMMUTABLE


def defaults(obj: ResourceClaimTemplate) -> ResourceClaimTemplate:
    claim = obj.spec.spec
    devices = requests.defaults(claim.devices)
    if devices is claim.devices:
        return obj
    return replace(obj, spec=replace(obj.spec, spec=replace(claim, devices=devices)))


def validate(obj: ResourceClaimTemplate) -> FieldErrors:
    found = meta.template(obj.spec.metadata, "spec.metadata")
    return found + requests.validate("spec.spec.devices", obj.spec.spec.devices)


def validate_update(new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> FieldErrors:
    found = [invalid("spec", new.spec, IMMUTABLE)] if new.spec != old.spec else []
    return found + validate(new)


def row(obj: ResourceClaimTemplate, now: float) -> Sequence[Cell]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ResourceClaimTemplate,
    prefix="resourceclaimtemplates",
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    tells_empty=True,
)
