"""Takes back the condition DisruptionTarget of pods that nobody disrupted after all: two minutes later they still run.

Follows the stale pod disruption queue of upstream's disruption controller (KEP-3329)."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.core.v1 import Pod
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.semantics.pods import condition_of, is_terminal, is_terminating

IDENTITY = "disruption-controller"
CONDITION = "DisruptionTarget"
BY_KUBELET = "TerminationByKubelet"
"""A reason: the kubelet ends the pod itself, however long that takes."""
STALE_SECONDS = 120.0
NOT_FOUND = 404


def stale_in(pod: Pod, now: float) -> float | None:
    """Seconds until the pod's DisruptionTarget is stale; None if it has none that could be."""
    condition = condition_of(pod, CONDITION)
    if condition is None or condition.status != "True" or condition.reason == BY_KUBELET:
        return None
    if is_terminating(pod) or is_terminal(pod):
        return None
    since = parse_time(condition.last_transition_time) if condition.last_transition_time else 0.0
    return max(since + STALE_SECONDS - now, 0.0)


def build(env: Environment) -> Controller[Key]:
    """Keys are pods."""

    async def reconcile(key: Key, client: Client) -> None:
        pod = pods.get(key[1], key[0])
        left = stale_in(pod, env.clock.now()) if pod is not None else None
        if pod is None or left is None:
            return
        if left > 0:
            controller.queue.add_after(key, left)
            return
        condition = {"type": CONDITION, "status": "False", "lastTransitionTime": format_time(env.clock.now())}
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        try:
            await client.patch(Pod, key[1], key[0], StrategicMergePatch(body), subresource="status")
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise

    def changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is not None and stale_in(new, 0.0) is not None:
            yield key_of(new)

    controller = env.controller("stale-pod-disruption-controller", IDENTITY, reconcile)
    pods = controller.on(Pod, changed)
    return controller
