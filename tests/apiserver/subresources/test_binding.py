"""What a pod's binding leaves of it."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Binding, ObjectReference, Pod, PodStatus
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.subresources.binding import bound


def test_the_node_that_was_promised_is_no_longer_told() -> None:
    promised = Pod(metadata=ObjectMeta(name="p"), status=PodStatus(phase="Pending", nominated_node_name="other"))
    made = bound(promised, Binding(target=ObjectReference(kind="Node", name="n")), 0.0)
    assert (made.spec.node_name, made.status.nominated_node_name, made.status.phase) == ("n", "", "Pending")
