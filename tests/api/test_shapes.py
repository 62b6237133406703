"""Types of members are what annotations say."""

from __future__ import annotations

import typing

from pilothouse.api.shapes import hints_of
from pilothouse.kinds.registry import strategies


def test_hints() -> None:
    kinds = [strategy.type for strategy in strategies()]
    assert [hints_of(kind) for kind in kinds] == [typing.get_type_hints(kind, include_extras=True) for kind in kinds]
