"""DeviceClass."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.resource.v1 import DeviceClass, DeviceClassConfiguration, DeviceClassSpec
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.podspec.resources import is_extended
from pilothouse.kinds.resource import rules
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Strategy


def validate(obj: DeviceClass) -> FieldErrors:
    return _spec(obj.spec, None)


def validate_update(new: DeviceClass, old: DeviceClass) -> FieldErrors:
    return _spec(new.spec, old.spec)


def _spec(spec: DeviceClassSpec, old: DeviceClassSpec | None) -> FieldErrors:
    """What stands as before was good when it was written, and is not measured again."""
    found = rules.selector_list(
        "spec.selectors", spec.selectors, stored=old is not None and spec.selectors == old.selectors
    )
    stored = old is not None and spec.config == old.config

    def config(at: str, one: DeviceClassConfiguration) -> FieldErrors:
        return rules.configuration(at, one, stored=stored)

    found += rules.each(spec.config, rules.CONFIGS, config, "spec.config")
    name = spec.extended_resource_name
    if name is not None and not is_extended(name):
        found.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
    return found


def row(obj: DeviceClass, now: float) -> Sequence[Cell]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=DeviceClass,
    prefix="deviceclasses",
    generation=("spec",),
    deletion=Deletion(returns_object=True),
    meta_update=MetaUpdate(whole=1),
    row=row,
    validate=validate,
    validate_update=validate_update,
)
