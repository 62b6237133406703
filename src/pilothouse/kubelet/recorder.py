"""Events on pods, as the node's parts emit them."""

from __future__ import annotations

from typing import Protocol

from pilothouse.api.types.core.v1 import Pod


class Recorder(Protocol):
    """Emits events; never waits, never fails its caller."""

    def pod(self, pod: Pod, type_: str, reason: str, message: str, container: str = "") -> None:
        """An event on a pod, or on one of its containers."""
        ...

    def node(self, type_: str, reason: str, message: str) -> None:
        """An event on this node."""
        ...


def field_path(pod: Pod, container: str) -> str:
    """How an event names a container of its pod."""
    groups = (
        ("containers", pod.spec.containers or ()),
        ("initContainers", pod.spec.init_containers),
        ("ephemeralContainers", pod.spec.ephemeral_containers),
    )
    for name, members in groups:
        if any(c.name == container for c in members):
            return f"spec.{name}{{{container}}}"
    return ""
