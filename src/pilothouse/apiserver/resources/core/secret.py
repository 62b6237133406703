"""Secret: stringData is for writing only, its values become data."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Secret
from pilothouse.apiserver.generic.strategy import Cell, MetaUpdate, Strategy
from pilothouse.apiserver.table.cells import age


def defaults(obj: Secret) -> Secret:
    if obj.string_data:
        data = {**obj.data, **{key: text.encode() for key, text in obj.string_data.items()}}
        obj = replace(obj, data=data, string_data={})
    return obj if obj.type else replace(obj, type="Opaque")


def row(obj: Secret, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.type, len(obj.data), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=Secret,
    prefix="secrets",
    meta_update=MetaUpdate(whole=1),
    defaults=defaults,
    own_field_labels=True,
    fields={"type": lambda o: o.type},
    row=row,
)
