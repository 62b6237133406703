"""RuntimeClass: a pod gets the overhead and the placement of its runtime class."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Pod, PodSpec, Toleration
from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused


class RuntimeClassPlugin:
    """Completes pods at their creation and checks that nobody makes an overhead up."""

    name = "RuntimeClass"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", "", "pods", "")

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 403."""
        pod: Pod = attributes.obj
        found = await self._class(attributes, pod.spec)
        if found is None:
            return
        spec = _with_scheduling(attributes, _with_overhead(attributes, pod.spec, found), found)
        if spec is not pod.spec:
            attributes.obj = replace(pod, spec=spec)

    async def validate(self, attributes: Attributes) -> None:
        pod: Pod = attributes.obj
        found = await self._class(attributes, pod.spec)
        if found is not None and found.overhead is not None:
            _with_overhead(attributes, pod.spec, found)
        elif pod.spec.overhead:
            text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            raise refused(attributes, text)

    async def _class(self, attributes: Attributes, spec: PodSpec) -> RuntimeClass | None:
        name = spec.runtime_class_name
        if not name:
            return None
        found = self._reader.get(RuntimeClass, name) or await self._reader.latest(RuntimeClass, name)
        if found is None:
            raise refused(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _with_overhead(attributes: Attributes, spec: PodSpec, found: RuntimeClass) -> PodSpec:
    if found.overhead is None or spec.overhead == found.overhead.pod_fixed:
        return spec
    if spec.overhead:
        raise refused(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    return replace(spec, overhead=found.overhead.pod_fixed)


def _with_scheduling(attributes: Attributes, spec: PodSpec, found: RuntimeClass) -> PodSpec:
    if found.scheduling is None:
        return spec
    wanted = found.scheduling.node_selector
    for key, value in wanted.items():
        own = spec.node_selector.get(key, value)
        if own != value:
            class_has = f"runtimeClass.scheduling.nodeSelector[{key}] = {value}"
            raise refused(attributes, f"conflict: {class_has}; pod.spec.nodeSelector[{key}] = {own}")
    selector = {**spec.node_selector, **wanted} if wanted else spec.node_selector
    return replace(spec, node_selector=selector, tolerations=_merged(spec.tolerations, found.scheduling.tolerations))


def _merged(own: tuple[Toleration, ...], more: tuple[Toleration, ...]) -> tuple[Toleration, ...]:
    return own + tuple(t for t in more if t not in own)
