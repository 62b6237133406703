"""ClusterRoleBinding."""

from __future__ import annotations

from pilothouse.api.types.rbac.v1 import ClusterRoleBinding
from pilothouse.apiserver.generic.strategy import Strategy
from pilothouse.semantics.validation.names import path_segment

STRATEGY = Strategy(
    type=ClusterRoleBinding,
    prefix="clusterrolebindings",
    name=path_segment,
    allow_create_on_update=True,
)
