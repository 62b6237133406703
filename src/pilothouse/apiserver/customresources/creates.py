"""Counts the creates of custom resources that are under way, so that none comes after its definition is gone."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.api.custom import CustomObject
from pilothouse.kinds.strategy import NOTHING, Write, WriteHook
from pilothouse.kit.in_flight import InFlight


class _Create:
    """One create, which ends either way."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.commit = self.revert = end


class CountedCreates:
    """The `kinds.strategy.Hooks` of the objects of one definition."""

    def __init__(self, creates: InFlight, definition: str) -> None:
        self._creates = creates
        self._definition = definition

    async def begin_create(self, obj: CustomObject, write: Write) -> tuple[CustomObject, WriteHook]:
        return obj, _Create(self._creates.begin(self._definition))

    async def begin_update(self, new: CustomObject, old: CustomObject, write: Write) -> tuple[CustomObject, WriteHook]:
        return new, NOTHING

    async def after_delete(self, obj: CustomObject, write: Write) -> None: ...
