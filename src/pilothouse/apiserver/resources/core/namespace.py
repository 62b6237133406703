"""Namespace: goes when its own finalizers (`spec.finalizers`) are gone; carries its name as a label."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Namespace, NamespaceStatus
from pilothouse.apiserver.generic.strategy import Cell, Deletion, Status, Strategy, Write
from pilothouse.apiserver.resources.declare import with_meta, with_spec
from pilothouse.apiserver.table.cells import age
from pilothouse.semantics.validation.names import dns_label

NAME_LABEL = "kubernetes.io/metadata.name"


def defaults(obj: Namespace) -> Namespace:
    name = obj.metadata.name
    if name and obj.metadata.labels.get(NAME_LABEL) != name:
        obj = with_meta(obj, labels={**obj.metadata.labels, NAME_LABEL: name})
    return obj if obj.status.phase else replace(obj, status=replace(obj.status, phase="Active"))


def prepare_create(obj: Namespace, write: Write) -> Namespace:
    obj = replace(obj, status=NamespaceStatus(phase="Active"))
    if "kubernetes" not in obj.spec.finalizers:
        obj = with_spec(obj, finalizers=(*obj.spec.finalizers, "kubernetes"))
    return obj


def canonicalize(obj: Namespace) -> Namespace:
    """A generated name is known only now."""
    name = obj.metadata.name
    if obj.metadata.labels.get(NAME_LABEL) == name:
        return obj
    return with_meta(obj, labels={**obj.metadata.labels, NAME_LABEL: name})


def prepare_update(new: Namespace, old: Namespace, write: Write) -> Namespace:
    return replace(new, spec=replace(new.spec, finalizers=old.spec.finalizers), status=old.status)


def mark(obj: Namespace, write: Write) -> Namespace:
    return replace(obj, status=replace(obj.status, phase="Terminating"))


def row(obj: Namespace, now: float) -> Sequence[Cell]:
    return obj.metadata.name, obj.status.phase, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=Namespace,
    prefix="namespaces",
    name=dns_label,
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    canonicalize=canonicalize,
    status=Status(),
    own_field_labels=True,
    fields={"name": lambda o: o.metadata.name, "status.phase": lambda o: o.status.phase},
    row=row,
    deletion=Deletion(returns_object=True, waits=lambda o: bool(o.spec.finalizers), mark=mark),
)
