"""Since when what is written of a Service's endpoints has been true, for those who measure how long it takes to spread.

Endpoints and EndpointSlices carry it as an annotation; it follows upstream's TriggerTimeTracker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from pilothouse.api.types.core.v1 import Pod, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.controllers.endpoints.packing import Writes
from pilothouse.machinery.controller import Key, key_of
from pilothouse.semantics.pods import condition_of

ANNOTATION = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(slots=True)
class _State:
    """What the last round saw: when the Service was made, and when each pod's readiness last changed."""

    service: str = ""
    pods: dict[str, str] = field(default_factory=dict)


class Triggers:
    """Remembers Services from round to round."""

    def __init__(self) -> None:
        self._states: dict[Key, _State] = {}

    def since(self, service: Service, pods: Iterable[Pod]) -> str:
        """The earliest change since the last round for this Service, as a time of the API; empty if there was none.
        For a Service that is new here, the time when it was made."""
        state = self._states.get(key_of(service))
        now = _State(service.metadata.creation_timestamp or "")
        for pod in pods:
            ready = condition_of(pod, "Ready")
            if ready is not None and ready.last_transition_time:
                now.pods[pod.metadata.name] = ready.last_transition_time
        self._states[key_of(service)] = now
        if state is None:
            return now.service
        changed = [stamp for name, stamp in now.pods.items() if stamp > state.pods.get(name, "")]
        if now.service > state.service:
            changed.append(now.service)
        return min(changed, default="")

    def forget(self, key: Key) -> None:
        self._states.pop(key, None)


def with_trigger(annotations: Mapping[str, str], since: str) -> dict[str, str]:
    """The annotations with the time, or without one."""
    rest = {k: v for k, v in annotations.items() if k != ANNOTATION}
    return {**rest, ANNOTATION: since} if since else rest


def stamped(writes: Writes, since: str) -> Writes:
    """The same writes with the time on what is created and updated."""

    def stamp(found: EndpointSlice) -> EndpointSlice:
        meta = found.metadata
        meta = msgspec.structs.replace(meta, annotations=with_trigger(meta.annotations, since))
        return msgspec.structs.replace(found, metadata=meta)

    return Writes([*map(stamp, writes.create)], [*map(stamp, writes.update)], writes.delete)
