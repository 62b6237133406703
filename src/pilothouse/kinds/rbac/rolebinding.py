"""RoleBinding."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.rbac.v1 import RoleBinding
from pilothouse.kinds.cells import age
from pilothouse.kinds.rbac import validation
from pilothouse.kinds.rbac.subjects import GROUP, subject_defaults, told
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy
from pilothouse.semantics.validation.names import path_segment


def defaults(obj: RoleBinding) -> RoleBinding:
    subjects = tuple(map(subject_defaults, obj.subjects))
    reference = obj.role_ref
    if not reference.api_group:
        reference = replace(reference, api_group=GROUP)
    if (subjects, reference) == (obj.subjects, obj.role_ref):
        return obj
    return replace(obj, subjects=subjects, role_ref=reference)


def row(obj: RoleBinding, now: float) -> Sequence[Cell]:
    role = f"{obj.role_ref.kind}/{obj.role_ref.name}"
    return (obj.metadata.name, role, age(obj.metadata.creation_timestamp, now), *told(obj.subjects))


STRATEGY = Strategy(
    type=RoleBinding,
    prefix="rolebindings",
    name=path_segment,
    meta_update=MetaUpdate(whole=1),
    allow_create_on_update=True,
    row=row,
    defaults=defaults,
    validate=validation.role_binding,
    validate_update=validation.role_binding_update,
)
