"""Binding: a scheduler's decision which node a pod runs on. It holds once and for all."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.errors import StatusError, bad_request
from pilothouse.api.field_errors import FieldErrors, not_supported, required
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Binding, Pod, PodCondition
from pilothouse.api.types.meta.v1 import Status
from pilothouse.apiserver.generic.kind_store import KindStore, Stale
from pilothouse.apiserver.generic.writing import with_meta
from pilothouse.apiserver.request.call import Call

_RESOURCE = "pods/binding"


def binding_errors(binding: Binding) -> FieldErrors:
    found: FieldErrors = []
    if binding.target.kind not in ("", "Node"):
        found.append(not_supported("target.kind", binding.target.kind, ("Node", "<empty>")))
    if not binding.target.name:
        found.append(required("target.name"))
    return found


def bound(pod: Pod, binding: Binding, now: float) -> Pod:
    """The pod on its node. Raises StatusError (409) if it cannot be bound."""
    name = pod.metadata.name
    if pod.metadata.deletion_timestamp is not None:
        raise _conflict(name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.node_name:
        raise _conflict(name, f'pod {name} is already assigned to node "{pod.spec.node_name}"')
    if pod.spec.scheduling_gates:
        raise _conflict(name, f"pod {name} has non-empty .spec.schedulingGates")
    condition = PodCondition(type="PodScheduled", status="True", last_transition_time=format_time(now))
    others = tuple(c for c in pod.status.conditions if c.type != "PodScheduled")
    pod = with_meta(
        pod,
        labels={**pod.metadata.labels, **binding.metadata.labels},
        annotations={**pod.metadata.annotations, **binding.metadata.annotations},
    )
    return replace(
        pod,
        spec=replace(pod.spec, node_name=binding.target.name),
        status=replace(pod.status, conditions=(*others, condition), nominated_node_name=""),
    )


def _conflict(name: str, why: str) -> StatusError:
    return errors.conflict("", _RESOURCE, name, why)


class Binder:
    """Binds pods; `pods` is the store of their kind."""

    def __init__(self, pods: KindStore) -> None:
        self._pods = pods

    async def bind(self, binding: Binding, call: Call) -> Struct:
        """Raises StatusError."""
        name = call.name or binding.metadata.name
        if binding.metadata.name and binding.metadata.name != name:
            raise bad_request("name in URL does not match name in Binding object")
        found = binding_errors(binding)
        if found:
            texts = [f"{e.path}: {e.message}" for e in found]
            raise errors.make(500, "", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
        binding = await self._admitted(binding, name, call)
        key = self._pods.key(call.namespace, name)
        existing = self._pods.cache.peek(key) or await self._pods.cache.get(key)
        while True:
            if existing is None:
                raise self._pods.not_found(name)
            self._check(binding, existing.obj, key)
            try:
                await self._pods.swap(existing, bound(existing.obj, binding, self._pods.context.clock.now()), call)
                return Status(status="Success", code=201)
            except Stale:
                existing = await self._pods.cache.get(key)

    async def _admitted(self, binding: Binding, name: str, call: Call) -> Binding:
        attributes = self._pods.attributes("CREATE", call, with_meta(binding, namespace=call.namespace), None)
        attributes.kind, attributes.name = "Binding", name
        if not call.subresource:
            attributes.resource = "bindings"
        await self._pods.context.admission.admit(attributes)
        await self._pods.context.admission.validate(attributes)
        admitted: Binding = attributes.obj
        return admitted

    def _check(self, binding: Binding, pod: Pod, key: str) -> None:
        wanted, meta = binding.metadata, pod.metadata
        for what, asked, have in (
            ("UID", wanted.uid, meta.uid),
            ("ResourceVersion", wanted.resource_version, meta.resource_version),
        ):
            if asked and asked != have:
                told = (
                    f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                    f"Precondition failed: {what} in precondition: {asked}, {what} in object meta: {have}"
                )
                raise errors.conflict("", "pods", meta.name, told)
