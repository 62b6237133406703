"""UnservedFields: who writes a member that has no effect on this cluster is warned. Upstream has no such plugin."""

from __future__ import annotations

from typing import Any

from pilothouse.api import scheme
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.core.v1 import Node
from pilothouse.apiserver.admission import unserved
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.kit.aside import LARGE, aside

_COMPONENTS = "system:"


class UnservedFields:
    """Warns people, not the cluster's own components; of an update only what it brings. A cluster without nodes runs
    nothing, so there nothing is missing: what is tested against the bare API hears what a bare kube-apiserver says."""

    name = "UnservedFields"

    def __init__(self, context: PluginContext) -> None:
        self._nodes = 0
        context.reader.observe(Node, self._count)

    def _count(self, before: Node | None, after: Node | None) -> None:
        self._nodes += (after is not None) - (before is not None)

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE") or subresource:
            return False
        served = (r for key, r in scheme.BY_RESOURCE.items() if (key[0], key[2]) == (group, resource))
        return any(unserved.branches(scheme.type_of(r.group, r.version, r.kind)) for r in served)

    async def validate(self, attributes: Attributes) -> None:
        if not self._nodes or attributes.user.username.startswith(_COMPONENTS):
            return
        size = LARGE if isinstance(attributes.obj, CustomResourceDefinition) else 0
        for text in await aside(size, lambda: _brought(attributes.obj, attributes.old_obj)):
            attributes.warn(text)


def _brought(new: Any, old: Any) -> list[str]:
    """What is to be said of the new object and was not of the old one, if there is one."""
    said = list(unserved.warnings(new))
    before = set(unserved.warnings(old)) if said and old is not None else set()
    return [text for text in said if text not in before]
