"""PodTemplate."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import PodTemplate
from pilothouse.apiserver.generic.strategy import Deletion, Strategy

STRATEGY = Strategy(
    type=PodTemplate,
    prefix="podtemplates",
    generation=("template",),
    deletion=Deletion(returns_object=True),
)
