"""DefaultTolerationSeconds: a pod stays five minutes on a node that is not ready or cannot be reached."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Pod, PodSpec, Toleration
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.kit.memo import Memo

SECONDS = 300
_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class DefaultTolerationSeconds:
    """Adds both tolerations where the pod has none of its own."""

    name = "DefaultTolerationSeconds"

    def __init__(self, context: PluginContext) -> None:
        pass

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (group, resource, subresource) == ("", "pods", "") and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        spec = _completed(pod.spec)
        if spec is not pod.spec:
            attributes.obj = replace(pod, spec=spec)


_ADDED = {
    key: Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=SECONDS)
    for key in (_NOT_READY, _UNREACHABLE)
}


def _tolerating(spec: PodSpec) -> PodSpec:
    added = tuple(_ADDED[key] for key in (_NOT_READY, _UNREACHABLE) if not _tolerates(spec.tolerations, key))
    return replace(spec, tolerations=spec.tolerations + added) if added else spec


_completed: Memo[PodSpec, PodSpec] = Memo(_tolerating)


def _tolerates(tolerations: tuple[Toleration, ...], key: str) -> bool:
    return any(t.key in (key, "") and t.effect in ("NoExecute", "") for t in tolerations)
