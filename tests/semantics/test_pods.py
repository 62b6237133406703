"""Order of deletion and availability."""

from __future__ import annotations

from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Pod, PodCondition, PodSpec, PodStatus
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.semantics.amounts import fenceposts, scaled
from pilothouse.semantics.pods import available_in, crowding, deletion_order
from pilothouse.semantics.template_hash import fnv32a, hash_of

NOW = 1_000_000.0


def pod(name: str, *, node: str = "n", ready: float | None = 100.0, cost: str = "", age: float = 1000.0) -> Pod:
    conditions = ()
    if ready is not None:
        conditions = (PodCondition(type="Ready", status="True", last_transition_time=format_time(NOW - ready)),)
    notes = {"controller.kubernetes.io/pod-deletion-cost": cost} if cost else {}
    return Pod(
        metadata=ObjectMeta(name=name, uid=name, annotations=notes, creation_timestamp=format_time(NOW - age)),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase="Running" if node else "Pending", conditions=conditions),
    )


def test_deletion_order() -> None:
    pods = [
        pod("old"),
        pod("cheap", cost="-5"),
        pod("unready", ready=None),
        pod("unassigned", node="", ready=None),
        pod("crowded", node="m"),
        pod("young", ready=3),
    ]
    ranked = {"m": 3}
    order = deletion_order(pods, lambda p: ranked.get(p.spec.node_name, 0), NOW)
    assert [p.metadata.name for p in order] == ["unassigned", "unready", "cheap", "crowded", "young", "old"]
    assert crowding(pods)(pods[0]) == 4


def test_available_after_min_ready() -> None:
    assert available_in(pod("a", ready=4), 10, NOW) == 6
    assert available_in(pod("a", ready=40), 10, NOW) == 0
    assert available_in(pod("a", ready=None), 0, NOW) is None


def test_amounts() -> None:
    assert scaled("25%", 10, round_up=True) == 3
    assert scaled("25%", 10, round_up=False) == 2
    assert fenceposts(0, 0, 5) == (0, 1)


def test_hash_ignores_order_of_maps_and_counts_collisions() -> None:
    assert fnv32a(b"a") == 0xE40C292C
    one, other = ObjectMeta(labels={"a": "1", "b": "2"}), ObjectMeta(labels={"b": "2", "a": "1"})
    assert hash_of(one) == hash_of(other) != hash_of(one, 0)
