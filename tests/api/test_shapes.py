"""Types of members are what annotations say."""

from __future__ import annotations

import typing

import pytest

from pilothouse.api.shapes import hints_of
from pilothouse.apiserver.resources.roster import strategies


@pytest.mark.parametrize("kind", [s.type for s in strategies()], ids=lambda kind: kind.__name__)
def test_hints(kind: typing.Any) -> None:
    assert hints_of(kind) == typing.get_type_hints(kind, include_extras=True)
