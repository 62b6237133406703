"""NodeVolumeLimits: a node attaches only so many volumes of a driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, Cycle, Hint, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, PodInfo, View
from pilothouse.scheduler.volumes import VolumeCatalog, pod_claims
from pilothouse.semantics.volumes import class_of

REASON = "node(s) exceed max volume count"


class NodeVolumeLimits:
    """Counts volumes by driver and handle: one that two pods share is attached once."""

    name = "NodeVolumeLimits"
    events: Mapping[Change, Hint | None] = {
        Change.STORAGE_NODE: None,
        Change.POD_GONE: None,
        Change.NODE_ADDED: None,
        Change.CLAIM: None,
    }

    def __init__(self, catalog: VolumeCatalog) -> None:
        self._catalog = catalog

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        if not cycle.pod.profile.claims:
            return ()
        wanted = set(self._volumes(cycle.pod))
        if not wanted:
            return ()
        return reject_each(view, lambda record: self._check(record, wanted))

    def _check(self, record: NodeRecord, wanted: set[tuple[str, str]]) -> str:
        storage = self._catalog.storage_node(record.name)
        limits = {
            d.name: d.allocatable.count
            for d in (storage.spec.drivers or () if storage is not None else ())
            if d.allocatable is not None and d.allocatable.count is not None
        }
        if not limits:
            return ""
        held = {v for info in record.pods.values() if info.profile.claims for v in self._volumes(info)}
        for driver in {driver for driver, _ in wanted - held}:
            count = sum(1 for d, _ in held | wanted if d == driver)
            if driver in limits and count > limits[driver]:
                return REASON
        return ""

    def _volumes(self, pod: PodInfo) -> Iterable[tuple[str, str]]:
        for name, claim in pod_claims(pod, self._catalog):
            if claim is None:
                continue
            volume = self._catalog.volume(claim.spec.volume_name) if claim.spec.volume_name else None
            if volume is not None and volume.spec.csi is not None:
                yield volume.spec.csi.driver, volume.spec.csi.volume_handle
            elif volume is None:
                storage = self._catalog.storage_class(class_of(claim))
                if storage is not None:
                    yield storage.provisioner, f"{pod.namespace}/{name}"
