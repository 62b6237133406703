"""DefaultBinder: tells the API which node a pod has."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.api.types.core.v1 import Binding, ObjectReference, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta, Status
from pilothouse.machinery.client import Client
from pilothouse.scheduler.framework import Change, Cycle, Hint


class DefaultBinder:
    name = "DefaultBinder"
    events: Mapping[Change, Hint | None] = {}

    def __init__(self, client: Client) -> None:
        self._client = client

    async def bind(self, cycle: Cycle, node: str) -> None:
        pod = cycle.pod
        binding = Binding(
            metadata=ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.pod.metadata.uid),
            target=ObjectReference(kind="Node", name=node),
        )
        await self._client.create_subresource(Pod, pod.name, pod.namespace, "binding", binding, Status)
