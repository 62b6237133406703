"""The subresources that change a running pod: `ephemeralcontainers` adds containers to look into it, `resize` changes
what its containers may use. What else a client sends is dropped without a word. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import Container, Pod, PodSpec, ResourceRequirements
from pilothouse.kinds.core.podspec import annotated
from pilothouse.kinds.core.podspec.annotated import MIRROR
from pilothouse.kinds.core.podspec.spec import pod as spec_errors
from pilothouse.kinds.strategy import Status, Write
from pilothouse.semantics.requests import compute_qos, qos_class

C = TypeVar("C", bound=Container)
_WHOLE = "[]"
"""The path of errors about a pod as a whole."""
_MUTABLE = ("cpu", "memory")


def _kept(new: Pod, old: Pod, spec: PodSpec) -> Pod:
    """The old pod with another spec; of the metadata only who manages it is new."""
    metadata = replace(
        old.metadata,
        resource_version=new.metadata.resource_version,
        managed_fields=new.metadata.managed_fields,
        generation=old.metadata.generation + (spec != old.spec),
    )
    return replace(old, metadata=metadata, spec=spec)


def prepare_ephemeral(new: Pod, old: Pod, write: Write) -> Pod:
    return _kept(new, old, replace(old.spec, ephemeral_containers=new.spec.ephemeral_containers))


def validate_ephemeral(new: Pod, old: Pod) -> FieldErrors:
    """New ones may come; those that are there stay as they are."""
    if MIRROR in old.metadata.annotations:
        return [forbidden(_WHOLE, "static pods do not support ephemeral containers")]
    errors = spec_errors(new) + annotated.changed("metadata.annotations", new, old)
    found = {container.name: container for container in new.spec.ephemeral_containers}
    path = "spec.ephemeralContainers"
    for former in old.spec.ephemeral_containers:
        told = f"existing ephemeral containers {go_text.quote(former.name)} may not be"
        fresh = found.get(former.name)
        if fresh is None:
            errors.append(forbidden(path, f"{told} removed\n"))
        elif fresh != former:
            errors.append(forbidden(path, f"{told} changed\n{go_text.unified_diff(former, fresh)}"))
    return errors


def prepare_resize(new: Pod, old: Pod, write: Write) -> Pod:
    spec = replace(
        old.spec,
        containers=_resized(new.spec.containers or (), old.spec.containers or ()),
        init_containers=_resized(new.spec.init_containers, old.spec.init_containers),
        resources=new.spec.resources,
    )
    return _kept(new, old, spec)


def _resized(new: Sequence[C], old: Sequence[C]) -> tuple[C, ...]:
    """The old containers with the resources and resize policies of the new ones."""
    wanted = {container.name: container for container in new}
    return tuple(
        replace(c, resources=wanted[c.name].resources, resize_policy=wanted[c.name].resize_policy)
        if c.name in wanted
        else c
        for c in old
    )


def validate_resize(new: Pod, old: Pod) -> FieldErrors:
    if MIRROR in old.metadata.annotations:
        return [forbidden(_WHOLE, "static pods cannot be resized")]
    if old.spec.os is not None and old.spec.os.name == "windows":
        return [forbidden(_WHOLE, "windows pods cannot be resized")]
    errors = spec_errors(new)
    if qos_class(old) != compute_qos(new.spec):
        detail = "Pod QOS Class may not change as a result of resizing"
        errors.append(invalid("spec", new.status.qos_class, detail))
    for name, fresh, former in (
        ("containers", new.spec.containers or (), old.spec.containers or ()),
        ("initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        for at, (after, before) in enumerate(zip(fresh, former, strict=True)):
            errors += _removed(f"spec.{name}[{at}].resources", after.resources, before.resources)
    none = ResourceRequirements()
    errors += _removed("spec.resources", new.spec.resources or none, old.spec.resources or none)
    munged = replace(
        new.spec,
        resources=_whole_with_old_amounts(new.spec.resources, old.spec.resources),
        containers=_with_old_amounts(new.spec.containers or (), old.spec.containers or ()),
        init_containers=_with_old_amounts(new.spec.init_containers, old.spec.init_containers),
    )
    if munged != old.spec:
        told = f"only cpu and memory resources are mutable\n{go_text.unified_diff(old.spec, munged)}"
        errors.append(forbidden("spec", told))
    return errors


def _removed(path: str, new: ResourceRequirements, old: ResourceRequirements) -> FieldErrors:
    errors: FieldErrors = []
    if any(name not in new.requests for name in old.requests):
        errors.append(forbidden(f"{path}.requests", "resource requests cannot be removed"))
    if any(name not in new.limits for name in old.limits):
        errors.append(forbidden(f"{path}.limits", "resource limits cannot be removed"))
    return errors


def _with_old_amounts(new: Sequence[C], old: Sequence[C]) -> tuple[C, ...]:
    """The new containers with the old amounts of what may be resized, and the old policies."""
    return tuple(
        replace(
            after, resize_policy=before.resize_policy, resources=_with_amounts_of(after.resources, before.resources)
        )
        for after, before in zip(new, old, strict=True)
    )


def _whole_with_old_amounts(
    new: ResourceRequirements | None, old: ResourceRequirements | None
) -> ResourceRequirements | None:
    """The same of the resources of the pod as a whole, if it has any."""
    return new if new is None or old is None else _with_amounts_of(new, old)


def _with_amounts_of(new: ResourceRequirements, old: ResourceRequirements) -> ResourceRequirements:
    return replace(new, requests=_mixed(new.requests, old.requests), limits=_mixed(new.limits, old.limits))


def _mixed(new: Mapping[str, Quantity], old: Mapping[str, Quantity]) -> dict[str, Quantity]:
    kept = {name: amount for name, amount in new.items() if name not in _MUTABLE}
    return kept | {name: amount for name, amount in old.items() if name in _MUTABLE}


UPDATES = {
    "ephemeralcontainers": Status(keep=(), prepare=prepare_ephemeral, validate=validate_ephemeral),
    "resize": Status(keep=(), prepare=prepare_resize, validate=validate_resize),
}
