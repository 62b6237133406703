"""TaintNodesByCondition: a new node is tainted as not ready until it says otherwise."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Node, Taint
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation

_TAINT = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")


class TaintNodesByCondition:
    """Adds the taint, once."""

    name = "TaintNodesByCondition"

    def __init__(self, context: PluginContext) -> None:
        pass

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return (operation, group, resource, subresource) == ("CREATE", "", "nodes", "")

    async def admit(self, attributes: Attributes) -> None:
        node: Node = attributes.obj
        taints = node.spec.taints
        if any(t.key == _TAINT.key and t.effect == _TAINT.effect for t in taints):
            return
        attributes.obj = replace(node, spec=replace(node.spec, taints=(*taints, _TAINT)))
