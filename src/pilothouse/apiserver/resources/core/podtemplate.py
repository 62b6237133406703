"""PodTemplate."""

from __future__ import annotations

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import PodTemplate
from pilothouse.apiserver.generic.strategy import Deletion, Strategy
from pilothouse.apiserver.resources.core.podspec.defaults import template


def defaults(obj: PodTemplate) -> PodTemplate:
    return replace(obj, template=template(obj.template))


STRATEGY = Strategy(
    type=PodTemplate,
    prefix="podtemplates",
    defaults=defaults,
    generation=("template",),
    deletion=Deletion(returns_object=True),
)
