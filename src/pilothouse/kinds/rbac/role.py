"""Role."""

from __future__ import annotations

from pilothouse.api.types.rbac.v1 import Role
from pilothouse.kinds.rbac import validation
from pilothouse.kinds.strategy import MetaUpdate, Strategy
from pilothouse.semantics.validation.names import path_segment

STRATEGY = Strategy(
    type=Role,
    prefix="roles",
    name=path_segment,
    meta_update=MetaUpdate(whole=1),
    allow_create_on_update=True,
    validate=validation.role,
)
