"""DefaultIngressClass: an Ingress without a class gets the default one."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.networking.v1 import Ingress, IngressClass
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"


class DefaultIngressClass:
    """Of several defaults the newest wins, then the first by name."""

    name = "DefaultIngressClass"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", "networking.k8s.io", "ingresses", "")

    async def admit(self, attributes: Attributes) -> None:
        ingress: Ingress = attributes.obj
        if ingress.spec.ingress_class_name is not None or _CLASS_ANNOTATION in ingress.metadata.annotations:
            return
        found = [c for c in self._reader.list(IngressClass) if c.metadata.annotations.get(_DEFAULT) == "true"]
        if not found:
            return
        found.sort(key=lambda c: c.metadata.name)
        found.sort(key=lambda c: c.metadata.creation_timestamp or "", reverse=True)
        attributes.obj = replace(ingress, spec=replace(ingress.spec, ingress_class_name=found[0].metadata.name))
