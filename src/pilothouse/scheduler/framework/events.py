"""What happens in the cluster that may make a pod schedulable."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

from pilothouse.scheduler.snapshot.pods import PodInfo


class Change(enum.Enum):
    """Kinds of changes that plugins wait for."""

    NODE_ADDED = "NodeAdd"
    NODE_ALLOCATABLE = "NodeAllocatableChange"
    NODE_LABELS = "NodeLabelChange"
    NODE_TAINTS = "NodeTaintChange"
    NODE_FEATURES = "NodeDeclaredFeatureChange"
    POD_PLACED = "AssignedPodAdd"
    POD_CHANGED = "AssignedPodUpdate"
    POD_GONE = "AssignedPodDelete"
    SELF_CHANGED = "UnscheduledPodUpdate"
    NAMESPACE_LABELS = "NamespaceUpdate"
    CLAIM = "PvcChange"
    VOLUME = "PvChange"
    STORAGE_CLASS = "StorageClassChange"
    STORAGE_NODE = "CSINodeChange"
    SCHEDULED_FLUSH = "UnschedulableTimeout"


class ClusterEvent(NamedTuple):
    """A change with the object before (None: new) and after (None: gone)."""

    change: Change
    old: Any = None
    new: Any = None


Hint = Callable[[PodInfo, ClusterEvent], bool]
"""Whether an event may make a pod schedulable that the plugin turned down. When in doubt, yes."""
