"""What plugins read of the cluster besides pods and nodes, from informers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilothouse.api.selectors import LabelSelector, of_labels, of_object
from pilothouse.api.types.apps.v1 import ReplicaSet, StatefulSet
from pilothouse.api.types.core.v1 import (
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    ReplicationController,
    Service,
)
from pilothouse.api.types.policy.v1 import PodDisruptionBudget
from pilothouse.api.types.storage.v1 import CSINode, StorageClass
from pilothouse.machinery.informer import Informers
from pilothouse.semantics.ownership import controller_of

KEPT_SELECTORS = 4096
_OWNERS: dict[str, type[Any]] = {
    "ReplicaSet": ReplicaSet,
    "StatefulSet": StatefulSet,
    "ReplicationController": ReplicationController,
}


class InformedCatalog:
    """Volumes, claims and classes."""

    def __init__(self, informers: Informers) -> None:
        self._claims = informers.of(PersistentVolumeClaim)
        self._volumes = informers.of(PersistentVolume)
        self._classes = informers.of(StorageClass)
        self._nodes = informers.of(CSINode)

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        return self._claims.get(name, namespace)

    def volume(self, name: str) -> PersistentVolume | None:
        return self._volumes.get(name)

    def volumes(self) -> Sequence[PersistentVolume]:
        return self._volumes.list()

    def storage_class(self, name: str) -> StorageClass | None:
        return self._classes.get(name)

    def storage_node(self, name: str) -> CSINode | None:
        return self._nodes.get(name)


class Budgets:
    """Pod disruption budgets."""

    def __init__(self, informers: Informers) -> None:
        self._informer = informers.of(PodDisruptionBudget)

    def __call__(self) -> Sequence[PodDisruptionBudget]:
        return self._informer.list()


class OwnSelectors:
    """What selects a pod: all Services that do, and the controller that made it. The answer is remembered for equal
    pods until a Service or a controller's selector changes."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.of(Service)
        self._owners = {name: informers.of(kind) for name, kind in _OWNERS.items()}
        self._kept: dict[tuple[str, str, frozenset[tuple[str, str]]], LabelSelector | None] = {}
        self._services.add_handler(self._changed)
        for informer in self._owners.values():
            informer.add_handler(self._changed)

    def __call__(self, pod: Pod) -> LabelSelector | None:
        owner = controller_of(pod.metadata)
        key = (pod.metadata.namespace, owner.uid if owner else "", frozenset(pod.metadata.labels.items()))
        if key not in self._kept:
            if len(self._kept) >= KEPT_SELECTORS:
                self._kept.clear()
            self._kept[key] = self._find(pod)
        return self._kept[key]

    def _find(self, pod: Pod) -> LabelSelector | None:
        namespace, labels = pod.metadata.namespace, pod.metadata.labels
        wanted: dict[str, str] = {}
        for service in self._services.list(namespace):
            if service.spec.selector and service.spec.selector.items() <= labels.items():
                wanted.update(service.spec.selector)
        requirements = list(of_labels(wanted).requirements)
        owner = controller_of(pod.metadata)
        held = self._owners[owner.kind].get(owner.name, namespace) if owner and owner.kind in self._owners else None
        if held is not None and held.metadata.uid == (owner.uid if owner else ""):
            selector = held.spec.selector
            more = of_labels(selector) if isinstance(held, ReplicationController) else of_object(selector)
            requirements += more.requirements
        return LabelSelector(tuple(dict.fromkeys(requirements))) if requirements else None

    def _changed(self, old: Any, new: Any) -> None:
        if old is None or new is None or old.spec.selector != new.spec.selector:
            self._kept.clear()
