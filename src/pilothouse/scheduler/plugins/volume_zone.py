"""VolumeZone: volumes that carry zone labels are used in those zones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, Cycle, Hint, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, View
from pilothouse.scheduler.volumes import VolumeCatalog, pod_claims

REASON = "node(s) had no available volume zone"
LABELS = (
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
)
# A volume in several zones has their names joined by this.
SEPARATOR = "__"


class VolumeZone:
    name = "VolumeZone"
    events: Mapping[Change, Hint | None] = {
        Change.CLAIM: None,
        Change.VOLUME: None,
        Change.STORAGE_CLASS: None,
        Change.NODE_ADDED: None,
        Change.NODE_LABELS: None,
    }

    def __init__(self, catalog: VolumeCatalog) -> None:
        self._catalog = catalog

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        if not cycle.pod.profile.claims:
            return ()
        wanted = list(self._wanted(cycle))
        if not wanted:
            return ()

        def check(record: NodeRecord) -> str:
            return "" if all(record.labels.get(key) in values for key, values in wanted) else REASON

        return reject_each(view, check, resolvable=False)

    def _wanted(self, cycle: Cycle) -> Iterable[tuple[str, set[str]]]:
        for _, claim in pod_claims(cycle.pod, self._catalog):
            volume = self._catalog.volume(claim.spec.volume_name) if claim and claim.spec.volume_name else None
            for key in LABELS if volume is not None else ():
                value = volume.metadata.labels.get(key) if volume is not None else None
                if value:
                    yield key, set(value.split(SEPARATOR))
