"""StorageClass."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)
from pilothouse.api.types.core.v1 import TopologySelectorTerm
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.podspec.warnings import LABELS
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Strategy
from pilothouse.semantics.validation import names
from pilothouse.semantics.validation.meta import IMMUTABLE

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_MOST_TOLD = 10


def defaults(obj: StorageClass) -> StorageClass:
    changes: dict[str, Any] = {}
    if obj.reclaim_policy is None:
        changes["reclaim_policy"] = "Delete"
    if obj.volume_binding_mode is None:
        changes["volume_binding_mode"] = "Immediate"
    return replace(obj, **changes) if changes else obj


def row(obj: StorageClass, now: float) -> Sequence[Cell]:
    name = obj.metadata.name
    if any(obj.metadata.annotations.get(key) == "true" for key in DEFAULT):
        name += " (default)"
    expands = bool(obj.allow_volume_expansion)
    return (
        name,
        obj.provisioner,
        obj.reclaim_policy,
        obj.volume_binding_mode,
        expands,
        age(obj.metadata.creation_timestamp, now),
    )


_SIZE = 256 * 1024


def parameter_errors(parameters: Mapping[str, str], path: str) -> FieldErrors:
    """Errors of parameters for a driver: no empty names, and not too much of them."""
    found: FieldErrors = []
    if len(parameters) > 512:
        return [too_long("Provisioner Parameters exceeded max allowed", 512)]
    if "" in parameters:
        found.append(invalid(path, "", "field can not be empty."))
    if sum(len(k.encode()) + len(v.encode()) for k, v in parameters.items()) > _SIZE:
        found.append(too_long(path, _SIZE))
    return found


def validate(obj: StorageClass) -> FieldErrors:
    found: FieldErrors = []
    if not obj.provisioner:
        found.append(required("provisioner"))
    else:
        name = obj.provisioner.lower()
        found += [invalid("provisioner", name, fault) for fault in names.qualified_name(name)]
    found += parameter_errors(obj.parameters, "parameters")
    if obj.reclaim_policy not in (None, "Delete", "Retain"):
        found.append(not_supported("reclaimPolicy", obj.reclaim_policy, ("Delete", "Retain")))
    if obj.volume_binding_mode is None:
        found.append(required("volumeBindingMode"))
    elif obj.volume_binding_mode not in ("Immediate", "WaitForFirstConsumer"):
        supported = ("Immediate", "WaitForFirstConsumer")
        found.append(not_supported("volumeBindingMode", obj.volume_binding_mode, supported))
    terms: collections.Counter[frozenset[tuple[str, frozenset[str]]]] = collections.Counter()
    for index, term in enumerate(obj.allowed_topologies):
        path = f"allowedTopologies[{index}]"
        found += _topology(term, path)
        wanted = frozenset({e.key: frozenset(e.values or ()) for e in term.match_label_expressions}.items())
        # Upstream tells of each earlier one; of a thousand equal ones that would be half a million times.
        found += [duplicate(f"{path}.matchLabelExpressions", "")] * min(terms[wanted], _MOST_TOLD)
        terms[wanted] += 1
    return found


def _topology(term: TopologySelectorTerm, path: str) -> FieldErrors:
    found: FieldErrors = []
    keys: set[str] = set()
    for index, expression in enumerate(term.match_label_expressions):
        at = f"{path}.matchLabelExpressions[{index}]"
        values: set[str] = set()
        if not expression.values:
            found.append(required(f"{at}.values"))
        for number, value in enumerate(expression.values or ()):
            if value in values:
                found.append(duplicate(f"{at}.values[{number}]", value))
            values.add(value)
        found += [invalid(f"{at}.key", expression.key, fault) for fault in names.qualified_name(expression.key)]
        if expression.key in keys:
            found.append(duplicate(f"{at}.key", expression.key))
        keys.add(expression.key)
    return found


def validate_update(new: StorageClass, old: StorageClass) -> FieldErrors:
    found = validate(new)
    for path, value, before in (
        ("parameters", new.parameters, old.parameters),
        ("provisioner", new.provisioner, old.provisioner),
        ("reclaimPolicy", new.reclaim_policy, old.reclaim_policy),
        ("volumeBindingMode", new.volume_binding_mode, old.volume_binding_mode),
    ):
        if value != before:
            found.append(invalid(path, value, IMMUTABLE))
    return found


def warnings(obj: StorageClass) -> Sequence[str]:
    found = []
    for index, term in enumerate(obj.allowed_topologies):
        for number, expression in enumerate(term.match_label_expressions):
            if expression.key in LABELS:
                path = f"allowedTopologies[{index}].matchLabelExpressions[{number}].key"
                found.append(f"{path}: {LABELS[expression.key]}")
    return found


STRATEGY = Strategy(
    type=StorageClass,
    prefix="storageclasses",
    meta_update=MetaUpdate(whole=1),
    deletion=Deletion(returns_object=True),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    tells_empty=True,
)
