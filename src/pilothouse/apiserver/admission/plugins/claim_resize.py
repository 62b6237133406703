"""PersistentVolumeClaimResize: a claim may grow only once it is bound, and only if its class allows it."""

from __future__ import annotations

from decimal import Decimal

from pilothouse.api.quantity import ZERO
from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.semantics.volumes import class_of


class PersistentVolumeClaimResize:
    """Looks at updates that ask for more."""

    name = "PersistentVolumeClaimResize"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("UPDATE", "", "persistentvolumeclaims", "")

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403."""
        new: PersistentVolumeClaim = attributes.obj
        old: PersistentVolumeClaim = attributes.old_obj
        if _size(new) <= _size(old):
            return
        if old.status.phase != "Bound":
            raise refused(attributes, "Only bound persistent volume claims can be expanded")
        if not self._may_grow(class_of(new), class_of(old)):
            raise refused(
                attributes,
                "only dynamically provisioned pvc can be resized and "
                "the storageclass that provisions the pvc must support resize",
            )

    def _may_grow(self, new: str, old: str) -> bool:
        if not new or not old or new != old:
            return False
        found = self._reader.get(StorageClass, new)
        return found is not None and bool(found.allow_volume_expansion)


def _size(claim: PersistentVolumeClaim) -> Decimal:
    return claim.spec.resources.requests.get("storage", ZERO).value
