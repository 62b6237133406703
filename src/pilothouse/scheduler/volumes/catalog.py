"""Claims, volumes, classes and storage nodes by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from pilothouse.api.types.core.v1 import PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import CSINode, StorageClass
from pilothouse.scheduler.snapshot import PodInfo

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"


class VolumeCatalog(Protocol):
    """Where volume plugins look things up; the runner's stands on informers."""

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None: ...

    def volume(self, name: str) -> PersistentVolume | None: ...

    def volumes(self) -> Sequence[PersistentVolume]: ...

    def storage_class(self, name: str) -> StorageClass | None: ...

    def storage_node(self, name: str) -> CSINode | None: ...


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Whether the claim has its volume, both sides agreed."""
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def pod_claims(pod: PodInfo, catalog: VolumeCatalog) -> Iterator[tuple[str, PersistentVolumeClaim | None]]:
    """Each claim a pod uses, by name; None for one that is not there (or is somebody else's with the same name)."""
    for template, name in zip(pod.profile.claims, pod.claims(), strict=True):
        claim = catalog.claim(pod.namespace, name)
        if claim is not None and template.startswith("*"):
            mine = any(o.uid == pod.pod.metadata.uid and o.controller for o in claim.metadata.owner_references)
            claim = claim if mine else None
        yield name, claim
