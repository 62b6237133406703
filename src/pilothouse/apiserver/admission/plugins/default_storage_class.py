"""DefaultStorageClass: a claim without a class gets the default one."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.semantics.volumes import default_class, names_class


class DefaultStorageClass:
    """Of several defaults the newest wins, then the first by name."""

    name = "DefaultStorageClass"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", "", "persistentvolumeclaims", "")

    async def admit(self, attributes: Attributes) -> None:
        claim: PersistentVolumeClaim = attributes.obj
        if names_class(claim):
            return
        default = default_class(self._reader.list(StorageClass))
        if default is not None:
            spec = replace(claim.spec, storage_class_name=default.metadata.name)
            attributes.obj = replace(claim, spec=spec)
