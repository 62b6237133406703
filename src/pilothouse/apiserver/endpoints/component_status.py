"""ComponentStatus: an old kind, never stored, that tells whether the store answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from pilothouse.api import errors
from pilothouse.api.selectors import SelectorError, parse_labels
from pilothouse.api.types.columns import COLUMNS
from pilothouse.api.types.core.v1 import ComponentCondition, ComponentStatus, ComponentStatusList
from pilothouse.api.types.meta.v1 import ListMeta, ObjectMeta
from pilothouse.apiserver.endpoints import answers
from pilothouse.apiserver.request import query
from pilothouse.apiserver.request.context import Context
from pilothouse.apiserver.table.build import Printer
from pilothouse.kinds.strategy import Cell
from pilothouse.kit.http.messages import Response

WARNING = "v1 ComponentStatus is deprecated in v1.19+"
Probe = Callable[[], Awaitable[str]]
"""Empty if all is well, else what is wrong."""


def _cells(found: ComponentStatus, now: float) -> Sequence[Cell]:
    healthy = next((c for c in found.conditions if c.type == "Healthy"), None)
    if healthy is None:
        return found.metadata.name, "Unknown", "", ""
    status = "Healthy" if healthy.status == "True" else "Unhealthy"
    return found.metadata.name, status, healthy.message, healthy.error


PRINTER = Printer(("", "componentstatuses"), COLUMNS[("", "v1", "componentstatuses")], _cells)


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
        return await answers.structures(context, ComponentStatusList(metadata=ListMeta(), items=found), PRINTER)

    async def get(self, context: Context) -> Response:
        context.negotiate()
        name = context.info.name
        if name not in self._probes:
            raise errors.not_found("", "componentstatus", name)
        return answers.structure(context, await self._status(name), printer=PRINTER)
