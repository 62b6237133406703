"""DefaultStorageClass: a claim without a class gets the default one."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.surroundings import Surroundings

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_DEFAULTS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


class DefaultStorageClass:
    """Of several defaults the newest wins, then the first by name."""

    name = "DefaultStorageClass"

    def __init__(self, surroundings: Surroundings) -> None:
        self._reader = surroundings.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", "", "persistentvolumeclaims", "")

    async def admit(self, attributes: Attributes) -> None:
        claim: PersistentVolumeClaim = attributes.obj
        if CLASS_ANNOTATION in claim.metadata.annotations or claim.spec.storage_class_name is not None:
            return
        default = self._default()
        if default is not None:
            spec = replace(claim.spec, storage_class_name=default)
            attributes.obj = replace(claim, spec=spec)

    def _default(self) -> str | None:
        found = [c for c in self._reader.list(StorageClass) if _is_default(c)]
        found.sort(key=lambda c: c.metadata.name)
        found.sort(key=lambda c: c.metadata.creation_timestamp or "", reverse=True)
        return found[0].metadata.name if found else None


def _is_default(storage_class: StorageClass) -> bool:
    return any(storage_class.metadata.annotations.get(key) == "true" for key in _DEFAULTS)


def class_of(claim: PersistentVolumeClaim) -> str:
    """The class of a claim, also by the annotation of old; empty if it has none."""
    return claim.metadata.annotations.get(CLASS_ANNOTATION) or claim.spec.storage_class_name or ""
