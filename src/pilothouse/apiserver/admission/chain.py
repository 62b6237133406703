"""The chain of admission plugins, compiled per kind of write: a write passes only those that have to do with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pilothouse.apiserver.admission.interface import Attributes, MutatingPlugin, Operation, ValidatingPlugin

Step = Callable[[Attributes], Awaitable[None]]
Route = tuple[Operation, str, str, str]


class Chain:
    """Runs plugins in the order given. A plugin may mutate, validate, or both."""

    def __init__(self, plugins: Sequence[MutatingPlugin | ValidatingPlugin]) -> None:
        self._plugins = tuple(plugins)
        self._mutating: dict[Route, tuple[Step, ...]] = {}
        self._validating: dict[Route, tuple[Step, ...]] = {}

    def plugins(self) -> Sequence[str]:
        return [p.name for p in self._plugins]

    async def admit(self, attributes: Attributes) -> None:
        """Every mutating plugin that handles this write. Raises StatusError."""
        a = attributes
        route = (a.operation, a.group, a.resource, a.subresource)
        steps = self._mutating.get(route)
        if steps is None:
            steps = self._mutating[route] = self._compile(route, "admit")
        for step in steps:
            await step(a)

    async def validate(self, attributes: Attributes) -> None:
        """Every validating plugin that handles this write. Raises StatusError."""
        a = attributes
        route = (a.operation, a.group, a.resource, a.subresource)
        steps = self._validating.get(route)
        if steps is None:
            steps = self._validating[route] = self._compile(route, "validate")
        for step in steps:
            await step(a)

    def _compile(self, route: Route, method: str) -> tuple[Step, ...]:
        found: list[Step] = []
        for plugin in self._plugins:
            step: Any = getattr(plugin, method, None)
            if step is not None and plugin.handles(*route):
                found.append(step)
        return tuple(found)
