"""VolumeRestrictions: a claim that only one pod may use is used by one pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, ClusterEvent, Cycle, Hint, Refused, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, PodInfo, View
from pilothouse.scheduler.snapshot.pods import claim_names
from pilothouse.scheduler.volumes import VolumeCatalog, pod_claims

REASON = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


def _shares_a_claim(pod: PodInfo, event: ClusterEvent) -> bool:
    old = event.old
    return old is not None and old.metadata.namespace == pod.namespace and bool(claim_names(old.spec))


class VolumeRestrictions:
    name = "VolumeRestrictions"
    events: Mapping[Change, Hint | None] = {
        Change.POD_GONE: _shares_a_claim,
        Change.CLAIM: None,
        Change.NODE_ADDED: None,
    }

    def __init__(self, catalog: VolumeCatalog) -> None:
        self._catalog = catalog

    def pre_filter(self, cycle: Cycle) -> Refused | None:
        for name, claim in pod_claims(cycle.pod, self._catalog) if cycle.pod.profile.claims else ():
            if claim is None:
                return Refused(self.name, f'persistentvolumeclaim "{name}" not found')
        return None

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        if not cycle.pod.profile.claims:
            return ()
        pod = cycle.pod
        lonely = {
            name
            for name, claim in pod_claims(pod, self._catalog)
            if claim is not None and "ReadWriteOncePod" in claim.spec.access_modes
        }
        if not lonely:
            return ()

        def check(record: NodeRecord) -> str:
            others = (o for o in record.pods.values() if o.profile.claims and o.namespace == pod.namespace)
            return REASON if any(not lonely.isdisjoint(o.claims()) for o in others) else ""

        return reject_each(view, check)
