"""From kinds to types and resources and back, for every served group and version."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from pilothouse.api.facts import FieldFact, Resource, TypeFact
from pilothouse.api.types.resources import SERVED

BY_RESOURCE: dict[tuple[str, str, str], Resource] = {(r.group, r.version, r.resource): r for r in SERVED}
BY_KIND: dict[tuple[str, str], Resource] = {(r.api_version, r.kind): r for r in SERVED}


def folder(group: str) -> str:
    """The folder of a group's generated types: `rbac.authorization.k8s.io` is `rbac`, the core group `core`."""
    return group.partition(".")[0] or "core"


@functools.cache
def type_of(group: str, version: str, kind: str) -> type[Any]:
    """The generated Struct of a kind. Raises KeyError if there is none."""
    try:
        module = importlib.import_module(f"pilothouse.api.types.{folder(group)}.{version}")
        found: type[Any] = getattr(module, kind)
    except (ModuleNotFoundError, AttributeError):
        raise KeyError(f"{group}/{version} {kind}") from None
    return found


@functools.cache
def resource_of(kind: type[Any]) -> Resource:
    """The resource that serves a generated kind. Raises KeyError if none does."""
    sample = kind()
    return BY_KIND[(sample.api_version, sample.kind)]


@functools.cache
def facts_of(kind: type[Any]) -> TypeFact:
    """The wire facts of a generated Struct (see `pilothouse.api.facts`)."""
    module = importlib.import_module(kind.__module__ + "_facts")
    fact: TypeFact = module.TYPES[kind.__name__]
    return fact


@functools.cache
def fields_of(kind: type[Any]) -> dict[str, FieldFact]:
    """JSON name to fact of every field of a Struct, those of its inlined bases included."""
    found: dict[str, FieldFact] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("pilothouse.api.types."):
            found.update({f.json_name: f for f in facts_of(base).fields if not f.inline})
    return found
