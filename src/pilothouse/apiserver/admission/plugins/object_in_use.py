"""StorageObjectInUseProtection: claims, volumes and attribute classes are not removed under their users."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation

_FINALIZERS = {
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection:
    """Adds the finalizer that a controller removes when nobody uses the object any more."""

    name = "StorageObjectInUseProtection"

    def __init__(self, context: PluginContext) -> None:
        pass

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return operation == "CREATE" and not subresource and (group, resource) in _FINALIZERS

    async def admit(self, attributes: Attributes) -> None:
        finalizer = _FINALIZERS[(attributes.group, attributes.resource)]
        metadata = attributes.obj.metadata
        if finalizer not in metadata.finalizers:
            metadata = replace(metadata, finalizers=(*metadata.finalizers, finalizer))
            attributes.obj = replace(attributes.obj, metadata=metadata)
