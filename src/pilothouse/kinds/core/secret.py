"""Secret: stringData is for writing only, its values become data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from pilothouse.api.codec import go_json
from pilothouse.api.field_errors import (
    FieldErrors,
    forbidden,
    invalid,
    required,
    too_long,
)
from pilothouse.api.types.core.v1 import Secret
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.configmap import config_map_key
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation.meta import IMMUTABLE


def defaults(obj: Secret) -> Secret:
    if obj.string_data:
        data = {**obj.data, **{key: text.encode() for key, text in obj.string_data.items()}}
        obj = replace(obj, data=data, string_data={})
    return obj if obj.type else replace(obj, type="Opaque")


def row(obj: Secret, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.type, len(obj.data), age(obj.metadata.creation_timestamp, now)


LIMIT = 1024 * 1024
_REDACTED = "<secret contents redacted>"
_REQUIRED = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_CONFIGS = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}


def validate(obj: Secret) -> FieldErrors:
    found: FieldErrors = []
    for key in obj.data:
        found += [invalid(f"data[{key}]", key, fault) for fault in config_map_key(key)]
    if sum(map(len, obj.data.values())) > LIMIT:
        found.append(too_long("data", LIMIT))
    return found + _of_type(obj)


def _of_type(obj: Secret) -> FieldErrors:
    """What the built-in types demand."""
    data = obj.data
    if obj.type == "kubernetes.io/service-account-token":
        key = "kubernetes.io/service-account.name"
        return [] if obj.metadata.annotations.get(key) else [required(f"metadata.annotations[{key}]")]
    if obj.type == "kubernetes.io/basic-auth":
        if "username" in data or "password" in data:
            return []
        return [required("data[username]"), required("data[password]")]
    if obj.type == "kubernetes.io/ssh-auth":
        return [] if data.get("ssh-privatekey") else [required("data[ssh-privatekey]")]
    if obj.type == "kubernetes.io/tls":
        return [required(f"data[{key}]") for key in _REQUIRED[obj.type] if key not in data]
    if obj.type in _CONFIGS:
        return _config(data, _CONFIGS[obj.type])
    return []


def _config(data: Mapping[str, bytes], key: str) -> FieldErrors:
    if key not in data:
        return [required(f"data[{key}]")]
    try:
        go_json.parse(data[key])
    except go_json.JSONSyntaxError as error:
        return [invalid(f"data[{key}]", _REDACTED, str(error))]
    return []


def validate_update(new: Secret, old: Secret) -> FieldErrors:
    found: FieldErrors = []
    if new.type != old.type:
        found.append(invalid("type", new.type, IMMUTABLE))
    if old.immutable:
        told = "field is immutable when `immutable` is set"
        if not new.immutable:
            found.append(forbidden("immutable", told))
        if new.data != old.data:
            found.append(forbidden("data", told))
    return [*found, *validate(new)]


def warnings(obj: Secret) -> Sequence[str]:
    """A pair that cannot be one."""
    if obj.type != "kubernetes.io/tls" or "tls.crt" not in obj.data:
        return ()
    if b"-----BEGIN" not in obj.data["tls.crt"]:
        return ("tls: failed to find any PEM data in certificate input",)
    return () if b"-----BEGIN" in obj.data.get("tls.key", b"") else ("tls: failed to find any PEM data in key input",)


STRATEGY = Strategy(
    type=Secret,
    prefix="secrets",
    meta_update=MetaUpdate(whole=1),
    defaults=defaults,
    own_field_labels=True,
    fields={"type": lambda o: o.type},
    row=row,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
