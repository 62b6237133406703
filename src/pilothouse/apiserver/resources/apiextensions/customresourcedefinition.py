"""CustomResourceDefinition."""

from __future__ import annotations

from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=CustomResourceDefinition,
    prefix="apiextensions.k8s.io/customresourcedefinitions",
    generation=("spec",),
    allow_unconditional_update=False,
    status=Status(),
)
