"""Flow schemas say whether their level exists; mandatory objects come back."""

from __future__ import annotations

from typing import Any, cast

from msgspec.structs import replace

from pilothouse.api.types.flowcontrol.v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.filters.flowcontrol.config_consumer import ConfigConsumer, dangling
from pilothouse.kinds.flowcontrol.bootstrap import flow_schemas, priority_levels
from pilothouse.machinery.client import ApplyPatch, Client
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.reader import FakeReader


def test_the_condition() -> None:
    schema = flow_schemas()[0]
    found = dangling(schema, True, 0)
    assert found is not None
    assert (found.status, found.reason) == ("False", "Found")
    assert found.message == (
        'This FlowSchema references the PriorityLevelConfiguration object named "exempt" and it exists'
    )
    marked = replace(schema, status=replace(schema.status, conditions=(found,)))
    assert dangling(marked, True, 9) is None
    gone = dangling(marked, False, 9)
    assert gone is not None
    assert (gone.status, gone.reason, gone.last_transition_time) == ("True", "NotFound", "1970-01-01T00:00:09Z")


class Writes:
    """Remembers what is written."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.marked: dict[str, str] = {}

    async def create(self, obj: Any) -> Any:
        self.created.append(f"{obj.kind}/{obj.metadata.name}")

    async def patch(self, kind: type[Any], name: str, namespace: str, patch: ApplyPatch, *, subresource: str) -> Any:
        assert (kind, subresource) == (FlowSchema, "status")
        self.marked[name] = patch.body["status"]["conditions"][0]["status"]


async def test_a_round() -> None:
    levels = [p for p in priority_levels() if p.metadata.name not in ("catch-all", "system")]
    schemas = [s for s in flow_schemas() if s.metadata.name != "exempt"]
    writes = Writes()
    await ConfigConsumer(FakeReader(*levels, *schemas), cast(Client, writes), VirtualClock()).tidy()
    assert writes.created == ["PriorityLevelConfiguration/catch-all", "FlowSchema/exempt"]
    assert {n for n, s in writes.marked.items() if s == "True"} == {"catch-all", "system-nodes"}
    assert PriorityLevelConfiguration is type(levels[0])
