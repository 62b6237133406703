"""Secret: stringData is for writing only, its values become data."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Secret
from pilothouse.apiserver.generic.strategy import MetaUpdate, Strategy


def defaults(obj: Secret) -> Secret:
    if obj.string_data:
        data = {**obj.data, **{key: text.encode() for key, text in obj.string_data.items()}}
        obj = replace(obj, data=data, string_data={})
    return obj if obj.type else replace(obj, type="Opaque")


STRATEGY = Strategy(
    type=Secret,
    prefix="secrets",
    meta_update=MetaUpdate(whole=1),
    defaults=defaults,
    own_field_labels=True,
    fields={"type": lambda o: o.type},
)
