"""CSIStorageCapacity."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import (
    FieldErrors,
    invalid,
)
from pilothouse.api.types.storage.v1 import CSIStorageCapacity
from pilothouse.kinds.core.podspec.warnings import LABELS
from pilothouse.kinds.strategy import MetaUpdate, Strategy
from pilothouse.semantics.validation import names, selectors
from pilothouse.semantics.validation.meta import IMMUTABLE


def validate(obj: CSIStorageCapacity) -> FieldErrors:
    name = obj.storage_class_name
    topology = obj.node_topology
    found = selectors.label_selector("nodeTopology", topology) if topology is not None else []
    found += [invalid("storageClassName", name, fault) for fault in names.dns_subdomain(name)]
    if obj.capacity is not None and obj.capacity.value < 0:
        found.append(invalid("capacity", str(obj.capacity), "must be greater than or equal to 0"))
    return found


def validate_update(new: CSIStorageCapacity, old: CSIStorageCapacity) -> FieldErrors:
    found: FieldErrors = []
    if new.node_topology != old.node_topology:
        found.append(invalid("nodeTopology", new.node_topology, IMMUTABLE))
    if new.storage_class_name != old.storage_class_name:
        found.append(invalid("storageClassName", new.storage_class_name, IMMUTABLE))
    return [*found, *validate(new)]


def warnings(obj: CSIStorageCapacity) -> Sequence[str]:
    """Old names of labels."""
    topology = obj.node_topology
    if topology is None:
        return ()
    found = [
        f"nodeTopology.matchExpressions[{index}].key: {LABELS[wanted.key]}"
        for index, wanted in enumerate(topology.match_expressions)
        if wanted.key in LABELS
    ]
    return found + [f"nodeTopology.matchLabels.{key}: {LABELS[key]}" for key in topology.match_labels if key in LABELS]


STRATEGY = Strategy(
    type=CSIStorageCapacity,
    prefix="csistoragecapacities",
    allow_unconditional_update=False,
    meta_update=MetaUpdate(whole=1),
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
