"""ServiceAccount."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core.v1 import ServiceAccount
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Strategy
from pilothouse.apiserver.table.cells import age


def row(obj: ServiceAccount, now: float) -> Sequence[Cell]:
    return obj.metadata.name, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=ServiceAccount,
    prefix="serviceaccounts",
    allow_unconditional_update=False,
    deletion=Deletion(returns_object=True),
    row=row,
)
