"""Events on a node, as its kubelet tells them."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Node, NodeCondition, NodeStatus, NodeSystemInfo
from pilothouse.kubelet.eviction import Signals
from pilothouse.kubelet.node.transitions import of_status
from pilothouse.kubelet.simulated import NoPlace
from pilothouse.machinery.client import StrategicMergePatch
from pilothouse.testing.clock import VirtualClock
from tests.kubelet.world import machine, running, world

CALM = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]
START = ["Starting", *CALM]
ROOMY = Signals(memory_available=4 << 30, disk_available=50 << 30, disk_capacity=100 << 30)


class ShortPlace(NoPlace):
    """A place that says what is left of it."""

    left: Signals = ROOMY

    async def signals(self) -> Signals | None:
        return self.left


class EnforcingPlace(NoPlace):
    async def enforce_allocatable(self) -> bool:
        return True


async def test_a_start_tells_of_all_conditions(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await clock.sleep(60)
        assert await one.reasons("Node") == START
        messages = {e.reason: (e.type, e.message, e.source.component) for e in await one.events("Node")}
        told = "Node n1 status is now: NodeHasNoDiskPressure"
        assert messages["NodeHasNoDiskPressure"] == ("Normal", told, "kubelet")


async def test_a_node_that_holds_its_pods_to_a_limit_says_so(clock: VirtualClock) -> None:
    async with world(clock, EnforcingPlace()) as one:
        assert await one.reasons("Node") == [*START, "NodeAllocatableEnforced"]


async def test_cordon_and_uncordon_are_told_once_each(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await clock.sleep(1)
        for cordoned in (True, True, False):
            await one.client.patch(Node, "n1", "", StrategicMergePatch({"spec": {"unschedulable": cordoned}}))
            await clock.sleep(1)
        assert (await one.reasons("Node"))[len(START) :] == ["NodeNotSchedulable", "NodeSchedulable"]


async def test_a_node_that_was_cordoned_before_its_kubelet_started_is_told_of(clock: VirtualClock) -> None:
    async with machine(clock) as (client, runtime):
        async with running(clock, client, runtime):
            await client.patch(Node, "n1", "", StrategicMergePatch({"spec": {"unschedulable": True}}))
        async with running(clock, client, runtime) as again:
            await clock.sleep(1)
            assert (await again.reasons("Node"))[-1] == "NodeNotSchedulable"


@pytest.mark.parametrize(
    ("left", "reasons"),
    [
        (Signals(1 << 20, 50 << 30, 100 << 30), ("NodeHasInsufficientMemory", CALM[0])),
        (Signals(4 << 30, 1 << 20, 100 << 30), ("NodeHasDiskPressure", CALM[1])),
    ],
)
async def test_pressures_come_and_go(clock: VirtualClock, left: Signals, reasons: tuple[str, str]) -> None:
    place = ShortPlace()
    async with world(clock, place) as one:
        place.left = left
        await clock.sleep(30)
        told = [r for r in await one.reasons("Node") if r != "EvictionThresholdMet"]
        assert told == [*START, reasons[0]]
        place.left = ROOMY
        await clock.sleep(400)
        # An event that was told before counts up instead.
        counts = {e.reason: e.count for e in await one.events("Node")}
        assert counts[reasons[1]] == 2


def test_readiness_is_told_of_when_it_was_known_before() -> None:
    ready = NodeStatus(conditions=(NodeCondition(type="Ready", status="True"),))
    unknown = NodeStatus(conditions=(NodeCondition(type="Ready", status="Unknown"),))
    broken = NodeStatus(conditions=(NodeCondition(type="Ready", status="False"),))
    assert [e.reason for e in of_status("n1", ready, broken)] == ["NodeNotReady"]
    assert [e.reason for e in of_status("n1", unknown, ready)] == ["NodeReady"]
    assert list(of_status("n1", ready, ready)) == []
    assert list(of_status("n1", NodeStatus(), ready)) == []


def test_a_machine_that_was_started_again_is_told_of() -> None:
    old, new = (NodeStatus(node_info=NodeSystemInfo(boot_id=boot)) for boot in ("one", "two"))
    told = ("Warning", "Rebooted", "Node n1 has been rebooted, boot id: two")
    assert list(of_status("n1", old, new)) == [told]
    assert list(of_status("n1", NodeStatus(), new)) == []
    assert list(of_status("n1", replace(old, conditions=()), old)) == []
