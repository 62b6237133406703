"""From what informers tell to the snapshot and the queue. Pure: told the time by its owner's clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pilothouse.api.types.core.v1 import Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.api.types.storage.v1 import CSINode, StorageClass
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler.framework import Change, ClusterEvent
from pilothouse.scheduler.nominations import Nominations
from pilothouse.scheduler.plugins.scheduling_gates import SchedulingGates
from pilothouse.scheduler.queue import Queue
from pilothouse.scheduler.snapshot import Profiles, Snapshot
from pilothouse.semantics.pods import is_terminal, is_terminating

_PLAIN: dict[type[Any], Change] = {
    PersistentVolumeClaim: Change.CLAIM,
    PersistentVolume: Change.VOLUME,
    StorageClass: Change.STORAGE_CLASS,
    CSINode: Change.STORAGE_NODE,
}


class Watching:
    """Keeps `snapshot`, `queue` and `nominations` equal to the cluster, and says `woken` when there may be work.

    `assumed` are pods (by uid) that were given a node here and whose binding the API has not shown yet: until then the
    API's word about them is old.
    """

    def __init__(
        self, name: str, snapshot: Snapshot, queue: Queue, now: Callable[[], float], woken: Callable[[], None]
    ) -> None:
        self.name = name
        self.snapshot = snapshot
        self.queue = queue
        self.nominations = Nominations()
        self.assumed: set[str] = set()
        self.profiles = Profiles()
        self._now = now
        self._woken = woken

    def listen(self, informers: Informers) -> None:
        """Hear of everything from now on, and of all there is."""
        informers.of(Namespace).add_handler(self.namespace_changed)
        informers.of(Node).add_handler(self.node_changed)
        informers.of(Pod).add_handler(self.pod_changed)
        for kind, change in _PLAIN.items():
            informers.of(kind).add_handler(lambda old, new, c=change: self._tell(ClusterEvent(c, old, new)))  # type: ignore[misc]

    def _tell(self, event: ClusterEvent) -> None:
        self.queue.happened(event, self._now())
        self._woken()

    def namespace_changed(self, old: Namespace | None, new: Namespace | None) -> None:
        name = (new or old).metadata.name  # type: ignore[union-attr]
        before, after = old.metadata.labels if old else None, new.metadata.labels if new else None
        if before != after:
            self.snapshot.put_namespace(name, after)
            self._tell(ClusterEvent(Change.NAMESPACE_LABELS, old, new))

    def node_changed(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            if old is not None:
                self.snapshot.drop_node(old.metadata.name)
            return
        self.snapshot.put_node(new)
        for change in _node_changes(old, new):
            self._tell(ClusterEvent(change, old, new))

    def pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if new is None or is_terminal(new):
            self._pod_gone(old if old is not None else new, new)
        elif new.spec.node_name:
            self._pod_placed(old, new)
        elif new.spec.scheduler_name == self.name:
            self._pod_waits(old, new)

    def _pod_gone(self, old: Pod | None, new: Pod | None) -> None:
        known = old or new
        if known is None:
            return
        uid = known.metadata.uid
        self.queue.drop(uid)
        self.nominations.drop(uid)
        self.assumed.discard(uid)
        if self.snapshot.drop_pod(uid) is not None:
            self._tell(ClusterEvent(Change.POD_GONE, known, None))

    def _pod_placed(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        self.assumed.discard(uid)
        self.queue.drop(uid)
        self.nominations.drop(uid)
        info = self.profiles.info(new)
        self.snapshot.put_pod(info, new.spec.node_name)
        if old is None or not old.spec.node_name:
            self._tell(ClusterEvent(Change.POD_PLACED, old, new))
        elif (
            old.metadata.labels != new.metadata.labels
            or old.spec != new.spec
            or is_terminating(old) != is_terminating(new)
            or old.status.resize != new.status.resize
        ):
            self._tell(ClusterEvent(Change.POD_CHANGED, old, new))

    def _pod_waits(self, old: Pod | None, new: Pod) -> None:
        uid = new.metadata.uid
        if uid in self.assumed:
            return
        if is_terminating(new):
            self.queue.drop(uid)
            self.nominations.drop(uid)
            return
        info = self.profiles.info(new)
        self.nominations.put(info, new.status.nominated_node_name)
        gated = SchedulingGates.gated(new)
        if uid not in self.queue:
            self.queue.add(info, self._now(), gated=gated)
        elif old is None or old.spec != new.spec or old.metadata.labels != new.metadata.labels:
            self.queue.update(info, self._now(), ClusterEvent(Change.SELF_CHANGED, old, new), gated=gated)
        else:
            self.queue.replace(info)
        self._woken()


def _node_changes(old: Node | None, new: Node) -> Iterator[Change]:
    if old is None:
        yield Change.NODE_ADDED
        return
    if old.status.allocatable != new.status.allocatable:
        yield Change.NODE_ALLOCATABLE
    if old.status.declared_features != new.status.declared_features:
        yield Change.NODE_FEATURES
    if old.metadata.labels != new.metadata.labels:
        yield Change.NODE_LABELS
    if old.spec.taints != new.spec.taints or old.spec.unschedulable != new.spec.unschedulable:
        yield Change.NODE_TAINTS
