"""NodeDeclaredFeatures: a node must declare the features that a pod needs of its kubelet (KEP-5328)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.scheduler.framework import Change, ClusterEvent, Cycle, Hint, Rejection, reject_each
from pilothouse.scheduler.snapshot import NodeRecord, PodInfo, View
from pilothouse.semantics.declared_features import required_features

REASON = "node declared features check failed - unsatisfied requirements: "


def _needs_others(_: PodInfo, event: ClusterEvent) -> bool:
    """Whether the pod itself was changed so that it needs other features."""
    if event.old is None or event.new is None:
        return True
    return required_features(event.old.spec) != required_features(event.new.spec)


class NodeDeclaredFeatures:
    name = "NodeDeclaredFeatures"
    events: Mapping[Change, Hint | None] = {
        Change.NODE_ADDED: None,
        Change.NODE_FEATURES: None,
        Change.SELF_CHANGED: _needs_others,
    }

    def filter(self, cycle: Cycle, view: View) -> Iterable[Rejection]:
        required = cycle.pod.profile.features
        if not required:
            return ()

        def check(record: NodeRecord) -> str:
            declared = record.node.status.declared_features
            missing = [name for name in required if name not in declared]
            return f"{REASON}{', '.join(missing)}" if missing else ""

        return reject_each(view, check, resolvable=False)
