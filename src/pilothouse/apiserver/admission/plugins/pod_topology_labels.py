"""PodTopologyLabels: where a pod runs is written on it when it is bound."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Binding, Node, Pod
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation

_LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels:
    """Copies zone and region of the node to the pod; what the pod says of itself there does not count."""

    name = "PodTopologyLabels"

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return operation == "CREATE" and (group, resource) == ("", "pods") and subresource in ("", "binding")

    async def admit(self, attributes: Attributes) -> None:
        obj: Pod | Binding = attributes.obj
        if isinstance(obj, Pod):
            node_name = obj.spec.node_name
        else:
            node_name = obj.target.name if obj.target.kind in ("", "Node") else ""
        node = self._reader.get(Node, node_name) if node_name else None
        if node is None:
            return
        copied = {key: node.metadata.labels[key] for key in _LABELS if key in node.metadata.labels}
        if copied:
            metadata = replace(obj.metadata, labels={**obj.metadata.labels, **copied})
            attributes.obj = replace(obj, metadata=metadata)
