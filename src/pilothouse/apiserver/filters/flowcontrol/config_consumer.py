"""Keeps flow schemas in order: tells of each whether its priority level exists, brings mandatory objects back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.flowcontrol.v1 import FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration
from pilothouse.apiserver.reader import Reader
from pilothouse.kinds.flowcontrol.bootstrap import flow_schemas, priority_levels
from pilothouse.kit.clock import Clock
from pilothouse.machinery.client import ApplyPatch, Client

MANAGER = "api-priority-and-fairness-config-consumer-v1"
MANDATORY = ("exempt", "catch-all")
_SETTLE, _RETRY = 0.1, 5.0


def dangling(schema: FlowSchema, exists: bool, now: float) -> FlowSchemaCondition | None:
    """The condition to set; None if it says so already."""
    status, reason = ("False", "Found") if exists else ("True", "NotFound")
    held = next((c for c in schema.status.conditions if c.type == "Dangling"), None)
    level = schema.spec.priority_level_configuration.name
    tail = "and it exists" if exists else "but there is no such object"
    message = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {tail}'
    if held is not None and (held.status, held.reason, held.message) == (status, reason, message):
        return None
    since = held.last_transition_time if held is not None and held.status == status else format_time(now)
    return FlowSchemaCondition(
        type="Dangling", status=status, reason=reason, message=message, last_transition_time=since
    )


class ConfigConsumer:
    """Follows schemas and levels, and writes what has to be written a moment after they change."""

    def __init__(self, reader: Reader, client: Client, clock: Clock) -> None:
        self._reader, self._client, self._clock = reader, client, clock
        self._changed = asyncio.Event()
        reader.observe(FlowSchema, self._notice)
        reader.observe(PriorityLevelConfiguration, self._notice)

    def _notice(self, old: object, new: object) -> None:
        self._changed.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._changed.wait()
            await self._clock.sleep(_SETTLE)
            self._changed.clear()
            try:
                await self.tidy()
            except StatusError:
                await self._clock.sleep(_RETRY)
                self._changed.set()

    async def tidy(self) -> None:
        """One round. Raises StatusError."""
        levels = {p.metadata.name for p in self._reader.list(PriorityLevelConfiguration)}
        schemas = self._reader.list(FlowSchema)
        await self._restore([p for p in priority_levels() if p.metadata.name not in levels])
        present = {s.metadata.name for s in schemas}
        await self._restore([s for s in flow_schemas() if s.metadata.name not in present])
        for schema in schemas:
            exists = schema.spec.priority_level_configuration.name in levels
            condition = dangling(schema, exists, self._clock.now())
            if condition is not None:
                await self._mark(schema, condition)

    async def _restore(self, missing: Sequence[Any]) -> None:
        for obj in missing:
            if obj.metadata.name in MANDATORY:
                await self._unless("AlreadyExists", self._client.create(obj))

    async def _mark(self, schema: FlowSchema, condition: FlowSchemaCondition) -> None:
        told = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": condition.last_transition_time,
        }
        name = schema.metadata.name
        body = {
            "apiVersion": schema.api_version,
            "kind": schema.kind,
            "metadata": {"name": name, "uid": schema.metadata.uid},
            "status": {"conditions": [told]},
        }
        patch = ApplyPatch(body, MANAGER, force=True)
        await self._unless("NotFound", self._client.patch(FlowSchema, name, "", patch, subresource="status"))

    async def _unless(self, reason: str, work: Any) -> None:
        try:
            await work
        except StatusError as error:
            if error.reason not in (reason, "Conflict"):
                raise
