"""Tells kubelets by an annotation on their node how long they may keep Secrets and ConfigMaps: longer in large
clusters."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.types.core.v1 import Node
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.controller import Controller, Key, key_of, own_key

IDENTITY = "ttl-controller"
ANNOTATION = "node.alpha.kubernetes.io/ttl"
_STEPS = ((0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, 2**31 - 1, 300))
"""From so many nodes, up to so many, the seconds. The steps overlap, so that a cluster at an edge does not waver."""


class Size:
    """The number of nodes, and the step it is on."""

    def __init__(self) -> None:
        self._nodes = 0
        self._step = 0

    @property
    def seconds(self) -> int:
        """The time to live of Secrets and ConfigMaps on each node."""
        return _STEPS[self._step][2]

    def changed_by(self, nodes: int) -> bool:
        """Count nodes that came (or, negative, went); whether `seconds` is another now."""
        before = self.seconds
        self._nodes += nodes
        while self._nodes > _STEPS[self._step][1]:
            self._step += 1
        while self._nodes < _STEPS[self._step][0]:
            self._step -= 1
        return self.seconds != before


def build(env: Environment) -> Controller[Key]:
    """Keys are nodes."""
    size = Size()

    async def reconcile(key: Key, client: Client) -> None:
        node = nodes.get(key[1])
        seconds = str(size.seconds)
        if node is None or node.metadata.annotations.get(ANNOTATION) == seconds:
            return
        patch = StrategicMergePatch({"metadata": {"annotations": {ANNOTATION: seconds}}})
        await client.patch(Node, key[1], "", patch)

    def changed(old: Node | None, new: Node | None) -> Iterable[Key]:
        if size.changed_by((new is not None) - (old is not None)):
            return [key_of(n) for n in env.informers.of(Node).list()]
        known = new is None or new.metadata.annotations.get(ANNOTATION) == str(size.seconds)
        return () if known else own_key(old, new)

    controller = env.controller("ttl-controller", IDENTITY, reconcile, workers=1)
    nodes = controller.on(Node, changed)
    return controller
