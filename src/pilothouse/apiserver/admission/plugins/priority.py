"""Priority: a pod's priority is its class's, never its own; at most one class is everybody's default."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Pod, PodSpec
from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.kit.memo import Memo

_PREEMPT = "PreemptLowerPriority"
SYSTEM_CLASSES = ("system-node-critical", "system-cluster-critical")


class Priority:
    """Fills in pods; guards priority classes."""

    name = "Priority"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader
        self._default: PriorityClass | None = None
        self._defaults: dict[str, PriorityClass] = {}
        context.reader.observe(PriorityClass, self._class_changed)

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if (group, resource, subresource) == ("", "pods", ""):
            return operation in ("CREATE", "UPDATE")
        return (group, resource, subresource) == ("scheduling.k8s.io", "priorityclasses", "")

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 403 for an unknown class, or a priority that is not the class's."""
        if attributes.resource != "pods":
            return
        pod: Pod = attributes.obj
        if attributes.operation == "UPDATE":
            spec = _kept(pod.spec, attributes.old_obj.spec)
        else:
            spec = await self._completed(attributes, pod.spec)
        if spec is not pod.spec:
            attributes.obj = replace(pod, spec=spec)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.resource != "priorityclasses" or attributes.operation == "CONNECT":
            return
        if attributes.operation == "DELETE":
            if attributes.name in SYSTEM_CLASSES:
                raise refused(attributes, "this is a system priority class and cannot be deleted")
            return
        wanted: PriorityClass = attributes.obj
        if not wanted.global_default:
            return
        default = self._default
        if default is not None and default.metadata.name != wanted.metadata.name:
            name = default.metadata.name
            why = f"PriorityClass {name} is already marked as default. Only one default can exist"
            raise refused(attributes, why)

    async def _completed(self, a: Attributes, spec: PodSpec) -> PodSpec:
        name, priority, policy = spec.priority_class_name, 0, _PREEMPT
        found = await self._class(a, name) if name else self._default
        if found is not None:
            name, priority, policy = found.metadata.name, found.value, found.preemption_policy or ""
        if spec.priority is not None and spec.priority != priority:
            raise refused(
                a,
                f"the integer value of priority ({spec.priority}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name",
            )
        if policy and spec.preemption_policy is not None and spec.preemption_policy != policy:
            raise refused(
                a,
                f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        return _with_class(spec, name, priority, policy or spec.preemption_policy)

    async def _class(self, a: Attributes, name: str) -> PriorityClass:
        found = self._reader.get(PriorityClass, name) or await self._reader.latest(PriorityClass, name)
        if found is None:
            raise refused(a, f"no PriorityClass with name {name} was found")
        return found

    def _class_changed(self, old: PriorityClass | None, new: PriorityClass | None) -> None:
        if old is not None:
            self._defaults.pop(old.metadata.name, None)
        if new is not None and new.global_default:
            self._defaults[new.metadata.name] = new
        # Two defaults can only be there after a race; the lower one is the safer.
        self._default = min(self._defaults.values(), key=lambda c: c.value, default=None)


def _filled_in(spec: PodSpec, name: str, priority: int, policy: str | None) -> PodSpec:
    return replace(spec, priority_class_name=name, priority=priority, preemption_policy=policy)


_with_class: Memo[PodSpec, PodSpec] = Memo(_filled_in)


def _kept(new: PodSpec, old: PodSpec) -> PodSpec:
    if new.priority is None and old.priority is not None:
        new = replace(new, priority=old.priority)
    if new.preemption_policy is None and old.preemption_policy is not None:
        new = replace(new, preemption_policy=old.preemption_policy)
    return new
