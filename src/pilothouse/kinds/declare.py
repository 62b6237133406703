"""Small pieces that strategies are declared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from pilothouse.api.object import Object

K = TypeVar("K", bound=Object)


def with_meta(obj: K, **changes: Any) -> K:
    """A copy of `obj` with parts of its metadata changed."""
    return _replace(obj, metadata=replace(obj.metadata, **changes))


def with_spec(obj: K, **changes: Any) -> K:
    """A copy of `obj` with parts of its spec changed; `obj` itself without changes."""
    spec: Any = getattr(obj, "spec")  # noqa: B009
    return _replace(obj, spec=replace(spec, **changes)) if changes else obj


def with_status(obj: K, **changes: Any) -> K:
    status: Any = getattr(obj, "status")  # noqa: B009
    return _replace(obj, status=replace(status, **changes)) if changes else obj


def _replace(obj: K, **changes: Any) -> K:
    changed: Any = replace(obj, **changes)  # type: ignore[type-var]
    found: K = changed
    return found


def fill(struct: Any, **defaults: Any) -> Any:
    """`struct` with `defaults` in place of what is unset (None, empty text, empty tuple); itself if nothing is."""
    missing = {k: v for k, v in defaults.items() if getattr(struct, k) in (None, "", ())}
    return replace(struct, **missing) if missing else struct


def replicas_scale(selector: Callable[[Any], str]) -> dict[str, Any]:
    """The `Scale` of a kind with `spec.replicas` and `status.replicas`; `selector` gives its label selector as text."""
    return {
        "spec_replicas": lambda obj: obj.spec.replicas or 0,
        "status_replicas": lambda obj: obj.status.replicas,
        "selector": selector,
        "with_replicas": lambda obj, count: with_spec(obj, replicas=count),
    }


def with_kept_meta(new: K, old: K) -> K:
    """`new` with the labels, annotations, finalizers and owners of `old`: a status update of some kinds writes none."""
    names = ("labels", "annotations", "finalizers", "owner_references")
    return with_meta(new, **{name: getattr(old.metadata, name) for name in names})
