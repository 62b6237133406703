"""Deletes pods from nodes whose NoExecute taints they do not tolerate, or no longer after their toleration's time.

The time counts from when the taint was first seen on the pod's node, whatever the pod's age, and goes on while other
taints come and go; it ends only when nothing is left that the pod does not tolerate for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Node, Pod, PodCondition, Taint
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.nodes.lifecycle import BY_NODE, IDENTITY, by_node
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of
from pilothouse.machinery.events import NORMAL
from pilothouse.semantics import conditions, taints

CONDITION = "DisruptionTarget"
GONE = 404
replace = msgspec.structs.replace


def tolerated_for(pod: Pod, node: Node) -> float | None:
    """Seconds that the pod may stay on the node from the moment its taints are seen; None for ever."""
    executing = executing_taints(node)
    return taints.toleration_seconds(executing, pod.spec.tolerations) if executing else None


def executing_taints(node: Node | None) -> tuple[Taint, ...]:
    return tuple(t for t in node.spec.taints if t.effect == taints.NO_EXECUTE) if node is not None else ()


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


class _Evictions:
    """Caches, appointments and writes; keys are pods."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.due: dict[Key, float] = {}
        """When each pod that is tolerated for a while must go (monotonic)."""
        self.recorder = env.recorder("taint-eviction-controller", IDENTITY)
        self.controller: Controller[Key] = env.controller(
            "taint-eviction-controller", IDENTITY, self.reconcile, workers=8
        )
        self.nodes = self.controller.needs(Node)
        self.pods = self.controller.needs(Pod)
        self.pods.add_index(BY_NODE, by_node)
        self.controller.on(Node, self._node_changed)
        self.controller.on(Pod, self._pod_changed)

    async def reconcile(self, key: Key, client: Client) -> None:
        pod = self.pods.get(key[1], key[0])
        if pod is None or pod.metadata.deletion_timestamp is not None:
            self.due.pop(key, None)
            return
        now = self.env.clock.monotonic()
        node = self.nodes.get(pod.spec.node_name)
        if node is not None:
            allowed = tolerated_for(pod, node)
            if allowed is None:
                self._cancel(key, pod)
                return
            due = self.due.setdefault(key, now + allowed)
            if allowed == 0:
                self.due[key] = min(due, now)
        # A node that is gone cancels nothing: what was due stays due.
        if key not in self.due:
            return
        if self.due[key] > now:
            self.controller.queue.add_after(key, self.due[key] - now)
            return
        await self._evict(key, pod, client)
        self.due.pop(key, None)

    def _cancel(self, key: Key, pod: Pod) -> None:
        if self.due.pop(key, None) is not None:
            text = f"Cancelling deletion of Pod {key[0]}/{key[1]}"
            self.recorder.event(pod, NORMAL, "TaintManagerEviction", text)

    async def _evict(self, key: Key, pod: Pod, client: Client) -> None:
        text = f"Marking for deletion Pod {key[0]}/{key[1]}"
        self.recorder.event(pod, NORMAL, "TaintManagerEviction", text)
        try:
            if not conditions.is_true(pod.status.conditions, CONDITION):
                await client.update(marked(pod, self.env.clock.now()), subresource="status")
            await client.delete(Pod, key[1], key[0], uid=pod.metadata.uid)
        except StatusError as error:
            if error.code != GONE:
                raise

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        if new is None:
            if old is not None and key_of(old) in self.due:
                yield key_of(old)
            return
        if not new.spec.node_name:
            return
        known = old is not None and (old.spec.node_name, old.spec.tolerations) == (
            new.spec.node_name,
            new.spec.tolerations,
        )
        if not known and (key_of(new) in self.due or executing_taints(self.nodes.get(new.spec.node_name))):
            yield key_of(new)

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        if new is None or executing_taints(old) == executing_taints(new):
            return ()
        return [key_of(p) for p in self.pods.by_index(BY_NODE, new.metadata.name)]


def build(env: Environment) -> Controller[Key]:
    """Keys are pods."""
    return _Evictions(env).controller
