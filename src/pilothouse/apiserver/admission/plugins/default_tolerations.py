"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or cannot be reached."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Pod, Toleration
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.surroundings import Surroundings

SECONDS = 300
_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds:
    """Adds both tolerations where the pod has none of its own."""

    name = "DefaultTolerationSeconds"

    def __init__(self, surroundings: Surroundings) -> None:
        pass

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (group, resource, subresource) == ("", "pods", "") and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        tolerations = pod.spec.tolerations
        added = tuple(_ADDED[key] for key in (_NOT_READY, _UNREACHABLE) if not _tolerates(tolerations, key))
        if added:
            attributes.obj = replace(pod, spec=replace(pod.spec, tolerations=tolerations + added))


_ADDED = {
    key: Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=SECONDS)
    for key in (_NOT_READY, _UNREACHABLE)
}


def _tolerates(tolerations: tuple[Toleration, ...], key: str) -> bool:
    return any(t.key in (key, "") and t.effect in ("NoExecute", "") for t in tolerations)
