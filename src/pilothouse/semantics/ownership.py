"""Owner references: who controls an object, and the reference that says so. Pure."""

from __future__ import annotations

from pilothouse.api.object import Object
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference


def controller_of(meta: ObjectMeta) -> OwnerReference | None:
    """The one owner that controls the object, if any."""
    for reference in meta.owner_references:
        if reference.controller:
            return reference
    return None


def is_controlled_by(meta: ObjectMeta, owner: Object) -> bool:
    reference = controller_of(meta)
    return reference is not None and reference.uid == owner.metadata.uid


def owns(meta: ObjectMeta, uid: str) -> bool:
    return any(r.uid == uid for r in meta.owner_references)


def controller_reference(owner: Object) -> OwnerReference:
    """What an object carries that `owner` controls."""
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def same_group(api_version: str, other: str) -> bool:
    """Whether two apiVersions are of one group."""
    return api_version.rpartition("/")[0] == other.rpartition("/")[0]
