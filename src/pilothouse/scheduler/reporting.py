"""What is told about a pod that got no node: its condition, and who is promised which node."""

from __future__ import annotations

from typing import Any

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Pod
from pilothouse.semantics.pods import condition_of

SCHEDULED = "PodScheduled"
UNSCHEDULABLE, SCHEDULER_ERROR = "Unschedulable", "SchedulerError"
# An event's message may be no longer; the condition's is not cut.
MAX_EVENT_MESSAGE = 1024


def event_message(text: str) -> str:
    """The text, cut to what an event takes."""
    return text if len(text) <= MAX_EVENT_MESSAGE else text[: MAX_EVENT_MESSAGE - 4] + " ..."


def status_patch(pod: Pod, reason: str, message: str, promised: str | None, now: float) -> dict[str, Any] | None:
    """The strategic merge patch that makes the pod's status say so; None if it does already. `promised` None leaves
    the nominated node as it is."""
    status: dict[str, Any] = {}
    held = condition_of(pod, SCHEDULED)
    if held is None or (held.status, held.reason, held.message) != ("False", reason, message):
        unchanged = held is not None and held.status == "False" and held.last_transition_time
        condition: dict[str, Any] = {
            "type": SCHEDULED,
            "status": "False",
            "reason": reason,
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": held.last_transition_time if held and unchanged else format_time(now),
        }
        if pod.metadata.generation:
            condition["observedGeneration"] = pod.metadata.generation
        status["conditions"] = [condition]
    if promised is not None and promised != pod.status.nominated_node_name:
        status["nominatedNodeName"] = promised or None
    return {"status": status} if status else None
