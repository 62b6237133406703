"""ConfigMap: keys of both maps form one set; an immutable one stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, too_long
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation.names import longer
from pilothouse.semantics.validation.names import too_long as at_most

LIMIT = 1024 * 1024
_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")
_KEY_FAULT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def config_map_key(key: str) -> Sequence[str]:
    """The faults of a key of a ConfigMap or Secret."""
    found = [at_most(253)] if longer(key, 253) else []
    if not _KEY.match(key):
        return [*found, _KEY_FAULT]
    if key == ".":
        return [*found, "must not be '.'"]
    if key == "..":
        return [*found, "must not be '..'"]
    return [*found, "must not start with '..'"] if key.startswith("..") else found


def validate(obj: ConfigMap) -> FieldErrors:
    found: FieldErrors = []
    size = 0
    for key, text in obj.data.items():
        found += [invalid(f"data[{key}]", key, fault) for fault in config_map_key(key)]
        if key in obj.binary_data:
            found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(text.encode())
    for key, content in obj.binary_data.items():
        found += [invalid(f"binaryData[{key}]", key, fault) for fault in config_map_key(key)]
        size += len(content)
    if size > LIMIT:
        found.append(too_long("[]", LIMIT))
    return found


def validate_update(new: ConfigMap, old: ConfigMap) -> FieldErrors:
    found: FieldErrors = []
    if old.immutable:
        if not new.immutable:
            found.append(forbidden("immutable", "field is immutable when `immutable` is set"))
        if new.data != old.data:
            found.append(forbidden("data", "field is immutable when `immutable` is set"))
        if new.binary_data != old.binary_data:
            found.append(forbidden("binaryData", "field is immutable when `immutable` is set"))
    return found + list(validate(new))


def row(obj: ConfigMap, now: float) -> Sequence[Cell]:
    return obj.metadata.name, len(obj.data) + len(obj.binary_data), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ConfigMap,
    prefix="configmaps",
    meta_update=MetaUpdate(whole=1),
    validate=validate,
    validate_update=validate_update,
    row=row,
)
