"""Deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer after their toleration's time."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.core.v1 import Node, Pod, PodCondition
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.nodes.lifecycle import BY_NODE, IDENTITY, by_node
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.machinery.events import NORMAL
from pilothouse.semantics import conditions, taints

CONDITION = "DisruptionTarget"
GONE = 404
replace = msgspec.structs.replace


def evict_in(pod: Pod, node: Node, now: float) -> float | None:
    """Seconds until the pod must leave the node; None if it may stay."""
    executing = [t for t in node.spec.taints if t.effect == taints.NO_EXECUTE]
    if not executing:
        return None
    allowed = taints.toleration_seconds(executing, pod.spec.tolerations)
    if allowed is None:
        return None
    begun = [parse_time(t.time_added) for t in executing if t.time_added]
    if pod.metadata.creation_timestamp:
        begun.append(parse_time(pod.metadata.creation_timestamp))
    since = max(begun, default=now)
    return max(since + allowed - now, 0.0) if allowed > 0 else 0.0


def marked(pod: Pod, now: float) -> Pod:
    """The pod with the condition that says why it goes."""
    told = PodCondition(
        type=CONDITION,
        status="True",
        observed_generation=pod.metadata.generation,
        reason="DeletionByTaintManager",
        message="Taint manager: deleting due to NoExecute taint",
        last_transition_time=format_time(now),
    )
    return replace(pod, status=replace(pod.status, conditions=conditions.put(pod.status.conditions, told)))


def build(env: Environment) -> Controller[Key]:
    """Keys are pods."""
    scheduled: set[Key] = set()
    recorder = env.recorder("taint-eviction-controller", IDENTITY)

    async def reconcile(key: Key, client: Client) -> None:
        pod = pods.get(key[1], key[0])
        node = nodes.get(pod.spec.node_name) if pod is not None and pod.spec.node_name else None
        if pod is None or node is None or pod.metadata.deletion_timestamp is not None:
            scheduled.discard(key)
            return
        wait = evict_in(pod, node, env.clock.now())
        if wait is None:
            if key in scheduled:
                scheduled.discard(key)
                recorder.event(pod, NORMAL, "TaintManagerEviction", f"Cancelling deletion of Pod {key[0]}/{key[1]}")
            return
        if wait > 0:
            scheduled.add(key)
            controller.queue.add_after(key, wait)
            return
        scheduled.discard(key)
        recorder.event(pod, NORMAL, "TaintManagerEviction", f"Marking for deletion Pod {key[0]}/{key[1]}")
        try:
            if not conditions.is_true(pod.status.conditions, CONDITION):
                await client.update(marked(pod, env.clock.now()), subresource="status")
            await client.delete(Pod, key[1], key[0], uid=pod.metadata.uid)
        except StatusError as error:
            if error.code != GONE:
                raise

    def pod_changed(old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is None or not new.spec.node_name or new.metadata.deletion_timestamp is not None:
            return ()
        known = old is not None and (old.spec.node_name, old.spec.tolerations) == (
            new.spec.node_name,
            new.spec.tolerations,
        )
        node = nodes.get(new.spec.node_name)
        tainted = node is not None and any(t.effect == taints.NO_EXECUTE for t in node.spec.taints)
        return () if known or not tainted else (key_of(new),)

    def node_changed(old: Node | None, new: Node | None) -> Iterable[Key]:
        if new is None or (old.spec.taints if old is not None else ()) == new.spec.taints:
            return ()
        return [key_of(p) for p in pods.by_index(BY_NODE, new.metadata.name)]

    controller = env.controller("taint-eviction-controller", IDENTITY, reconcile, workers=8)
    nodes = controller.needs(Node)
    pods = controller.needs(Pod)
    pods.add_index(BY_NODE, by_node)
    controller.on(Node, node_changed)
    controller.on(Pod, pod_changed)
    return controller
