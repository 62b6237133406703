"""Namespace: goes when its own finalizers (`spec.finalizers`) are gone; carries its name as a label."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, all_invalid, invalid
from pilothouse.api.types.core.v1 import Namespace, NamespaceStatus
from pilothouse.kinds.cells import age
from pilothouse.kinds.declare import with_meta, with_spec
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy, Write, accept_update
from pilothouse.semantics.validation.meta import core_finalizer
from pilothouse.semantics.validation.names import dns_label, qualified_name

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


def validate(obj: Namespace) -> FieldErrors:
    return [e for finalizer in obj.spec.finalizers for e in _finalizer("spec.finalizers", finalizer)]


def _finalizer(path: str, name: str) -> FieldErrors:
    return all_invalid(path, name, qualified_name(name)) + core_finalizer(name, path)


def prepare_finalize(new: Namespace, old: Namespace, write: Write) -> Namespace:
    return replace(new, status=old.status)


def validate_finalize(new: Namespace, old: Namespace) -> FieldErrors:
    found: FieldErrors = []
    for index, finalizer in enumerate(new.spec.finalizers):
        found += _finalizer(f"spec.finalizers[{index}]", finalizer)
    return found


def validate_status(new: Namespace, old: Namespace) -> FieldErrors:
    phase = new.status.phase
    if new.metadata.deletion_timestamp is None and phase != "Active":
        return [invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")]
    if new.metadata.deletion_timestamp is not None and phase != "Terminating":
        return [invalid("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")]
    return []


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
    meta_update=MetaUpdate(whole=1),
    validate=validate,
    validate_update=accept_update,
    status=Status(validate=validate_status),
    updates={"finalize": Status(keep=(), prepare=prepare_finalize, validate=validate_finalize)},
    own_field_labels=True,
    fields={"status.phase": lambda o: o.status.phase},
    row=row,
    deletion=Deletion(returns_object=True, waits=lambda o: bool(o.spec.finalizers), storage_words=True, mark=mark),
)
