"""ResourceSlice."""

from __future__ import annotations

from pilothouse.api.types.resource.v1 import ResourceSlice
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=ResourceSlice,
    prefix="resourceslices",
    generation=("spec",),
    deletion=Deletion(returns_object=True),
    fields={"spec.nodeName": lambda o: o.spec.node_name or "", "spec.driver": lambda o: o.spec.driver},
)
