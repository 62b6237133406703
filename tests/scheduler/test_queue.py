"""Who is next, and when somebody is next again. Time is a number."""

from __future__ import annotations

from pilothouse.scheduler.framework import Change, ClusterEvent
from pilothouse.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pilothouse.scheduler.plugins.scheduling_gates import SchedulingGates
from pilothouse.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.scheduler.queue import Queue, Queued
from tests.scheduler.build import World, node, pod

FIT = ("NodeResourcesFit",)
GONE = ClusterEvent(Change.POD_GONE, pod("q", on="a"), None)


def queue() -> Queue:
    return Queue([NodeResourcesFit(), TaintToleration(), SchedulingGates()])


def popped(found: Queue, now: float) -> Queued:
    queued = found.pop(now)
    assert queued is not None
    return queued


def test_priority_first_then_age() -> None:
    found, world = queue(), World()
    for number, (name, priority) in enumerate((("a", 0), ("b", 5), ("c", 5), ("d", 9))):
        found.add(world.info(pod(name, priority=priority)), float(number))
    names = []
    while (queued := found.pop(10.0)) is not None:
        names.append(queued.info.name)
    assert names == ["d", "b", "c", "a"]


def test_a_failed_pod_waits_for_an_event_that_concerns_it() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p", cpu="2")), 0.0)
    found.failed(popped(found, 0.0), FIT, 0.0)
    assert found.counts["unschedulable"] == 1
    found.happened(ClusterEvent(Change.NODE_LABELS, node("a"), node("a")), 5.0)
    found.happened(ClusterEvent(Change.NODE_ADDED, None, node("a", cpu="1")), 5.0)
    assert found.pop(5.0) is None
    found.happened(ClusterEvent(Change.NODE_ADDED, None, node("a", cpu="2")), 5.0)
    assert popped(found, 5.0).info.name == "p"


def test_backoff_doubles_to_ten_seconds() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0)
    now, waits = 0.0, []
    for _ in range(6):
        queued = popped(found, now)
        found.failed(queued, FIT, now)
        found.happened(GONE, now)
        ready = found.next_time()
        assert ready is not None
        waits.append(ready - now)
        assert found.pop(ready - 0.01) is None
        now = ready
    assert waits == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_events_during_an_attempt_are_not_lost() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0)
    queued = popped(found, 0.0)
    found.happened(GONE, 0.1)
    found.failed(queued, FIT, 0.2)
    assert found.counts["backoff"] == 1


def test_an_error_is_tried_again_after_backoff() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0)
    found.failed(popped(found, 0.0), (), 0.0)
    assert found.pop(0.5) is None
    assert popped(found, 1.0).attempts == 2


def test_the_stuck_are_flushed_after_five_minutes() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0)
    found.failed(popped(found, 0.0), FIT, 0.0)
    found.flush_stuck(299.0)
    assert found.pop(299.0) is None
    found.flush_stuck(301.0)
    assert popped(found, 301.0).info.name == "p"


def test_gates() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0, gated=True)
    found.happened(GONE, 1.0)
    assert found.pop(1.0) is None
    changed = ClusterEvent(Change.SELF_CHANGED)
    found.update(world.info(pod("p")), 2.0, changed, gated=True)
    assert found.pop(2.0) is None
    found.update(world.info(pod("p")), 3.0, changed)
    assert popped(found, 3.0).info.name == "p"


def test_a_pod_dropped_during_its_attempt_stays_away() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("p")), 0.0)
    queued = popped(found, 0.0)
    found.drop("uid-p")
    found.failed(queued, FIT, 0.1)
    found.done(queued)
    assert len(found) == 0
    assert not any(found.counts.values())


def test_a_higher_priority_after_an_update_counts() -> None:
    found, world = queue(), World()
    found.add(world.info(pod("a", priority=1)), 0.0)
    found.add(world.info(pod("b", priority=2)), 0.0)
    found.update(world.info(pod("a", priority=3)), 1.0, ClusterEvent(Change.SELF_CHANGED))
    assert [popped(found, 1.0).info.name, popped(found, 1.0).info.name] == ["a", "b"]
    assert found.pop(1.0) is None
