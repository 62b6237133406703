"""ComponentStatus: an old kind, never stored, that tells whether the store answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pilothouse.api import errors
from pilothouse.api.selectors import SelectorError, parse_labels
from pilothouse.api.types.core.v1 import ComponentCondition, ComponentStatus, ComponentStatusList
from pilothouse.api.types.meta.v1 import ListMeta, ObjectMeta
from pilothouse.apiserver.endpoints import answers, query
from pilothouse.apiserver.endpoints.context import Context
from pilothouse.kit.http.messages import Response

WARNING = "v1 ComponentStatus is deprecated in v1.19+"
Probe = Callable[[], Awaitable[str]]
"""Empty if all is well, else what is wrong."""


class ComponentStatuses:
    """Answers GET; `probes` are the components by name."""

    def __init__(self, probes: dict[str, Probe]) -> None:
        self._probes = probes

    async def _status(self, name: str) -> ComponentStatus:
        wrong = await self._probes[name]()
        condition = ComponentCondition(
            type="Healthy", status="False" if wrong else "True", message=wrong or "ok", error=wrong
        )
        return ComponentStatus(metadata=ObjectMeta(name=name), conditions=(condition,))

    async def list(self, context: Context) -> Response:
        context.negotiate(listing=True)
        try:
            selector = parse_labels(query.text(context.query, "labelSelector"))
        except SelectorError as error:
            raise errors.bad_request(str(error)) from None
        names = sorted(self._probes) if selector.matches({}) else []
        found = tuple([await self._status(name) for name in names])
        return answers.structure(context, ComponentStatusList(metadata=ListMeta(), items=found))

    async def get(self, context: Context) -> Response:
        context.negotiate()
        name = context.info.name
        if name not in self._probes:
            raise errors.not_found("", "componentstatus", name)
        return answers.structure(context, await self._status(name))
