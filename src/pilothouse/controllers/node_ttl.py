"""Tells kubelets by an annotation on their node how long they may keep Secrets and ConfigMaps: longer in large
clusters."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Node
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.controller import Controller, Key, own_key

IDENTITY = "ttl-controller"
ANNOTATION = "node.alpha.kubernetes.io/ttl"
_STEPS = ((100, 0), (500, 15), (1000, 30), (5000, 60))


def seconds_for(nodes: int) -> int:
    """The time to live in a cluster of so many nodes."""
    return next((seconds for most, seconds in _STEPS if nodes <= most), 300)


def build(env: Environment) -> Controller[Key]:
    """Keys are nodes."""

    async def reconcile(key: Key, client: Client) -> None:
        node = nodes.get(key[1])
        wanted = str(seconds_for(len(nodes)))
        if node is None or node.metadata.annotations.get(ANNOTATION) == wanted:
            return
        patch = StrategicMergePatch({"metadata": {"annotations": {ANNOTATION: wanted}}})
        await client.patch(Node, key[1], "", patch)

    def changed(old: Node | None, new: Node | None) -> tuple[Key, ...]:
        return own_key(old, new) if new is not None and ANNOTATION not in new.metadata.annotations else ()

    controller = env.controller("ttl-controller", IDENTITY, reconcile, workers=1)
    nodes = controller.on(Node, changed)
    return controller
