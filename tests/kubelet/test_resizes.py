"""Resizes in place: what the node grants, what waits and for what."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import Pod, PodCondition, PodStatus
from pilothouse.kubelet.admission import resize_refusal
from pilothouse.kubelet.podworker import resizes
from pilothouse.kubelet.simulated import NoPlace
from pilothouse.kubelet.status.difference import difference
from pilothouse.machinery.client.interface import StrategicMergePatch
from pilothouse.semantics.pods import is_ready
from pilothouse.testing.clock import VirtualClock
from tests.kubelet.pods import container, pod
from tests.kubelet.world import World, machine, running, simulated_pod, world

ROOM = {"cpu": parse("2"), "memory": parse("4Gi"), "pods": parse("110")}


def asking(cpu: str, memory: str = "1Gi") -> Pod:
    return pod(container(resources={"requests": {"cpu": cpu, "memory": memory}}))


@pytest.mark.parametrize(
    ("cpu", "memory", "expected"),
    [
        ("1500m", "1Gi", None),
        (
            "1600m",
            "1Gi",
            ("Deferred", "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000"),
        ),
        ("3", "1Gi", ("Infeasible", "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000")),
        (
            "3",
            "5Gi",
            ("Infeasible", "Node didn't have enough capacity: memory, requested: 5368709120, capacity: 4294967296"),
        ),
    ],
)
def test_what_does_not_fit_beside_others_waits_and_what_never_fits_is_told(
    cpu: str, memory: str, expected: tuple[str, str] | None
) -> None:
    no = resize_refusal(asking(cpu, memory), [asking("500m")], ROOM)
    assert (no and (no.reason, no.message)) == expected


def sized(name: str, cpu: str) -> Pod:
    one = {"name": "c", "image": "app:1", "imagePullPolicy": "IfNotPresent", "resources": {"requests": {"cpu": cpu}}}
    return simulated_pod(name, containers=[one])


async def resize(one: World, name: str, cpu: str) -> None:
    body = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}}
    await one.client.patch(Pod, name, "default", StrategicMergePatch(body))


def waits(reason: str) -> Any:
    return lambda found: any(c.type == resizes.PENDING and c.reason == reason for c in found.status.conditions)


def has(cpu: str) -> Any:
    """Whether the container has that much, and no condition speaks of a resize any more."""

    def check(found: Pod) -> bool:
        told = found.status.container_statuses[0].resources
        quiet = not any(c.type in (resizes.PENDING, resizes.IN_PROGRESS) for c in found.status.conditions)
        return quiet and told is not None and str(told.requests["cpu"]) == cpu

    return check


async def test_a_resize_waits_for_room_and_is_carried_out_when_there_is_some(clock: VirtualClock) -> None:
    async with world(clock) as one:
        for name in ("web", "other"):
            await one.client.create(sized(name, "1"))
            await one.until(is_ready, name)
        await resize(one, "web", "1500m")
        found = await one.until(waits("Deferred"))
        status = found.status.container_statuses[0]
        assert status.resources is not None
        assert str(status.resources.requests["cpu"]) == "1", "as it was"
        assert str(status.allocated_resources["cpu"]) == "1"
        await resize(one, "web", "5")
        await one.until(waits("Infeasible"))
        await resize(one, "web", "1500m")
        await one.until(waits("Deferred"))
        await one.client.delete(Pod, "other", "default", grace_period_seconds=0)
        found = await one.until(has("1500m"))
        assert found.status.container_statuses[0].restart_count == 0
        reasons = await one.reasons()
        assert [r for r in reasons if r.startswith("Resize")] == [
            "ResizeDeferred",
            "ResizeInfeasible",
            "ResizeDeferred",
            "ResizeStarted",
            "ResizeCompleted",
        ]


async def test_a_resize_that_is_taken_back_waits_no_more(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(sized("web", "1"))
        await one.until(is_ready)
        await resize(one, "web", "9")
        await one.until(waits("Infeasible"))
        await resize(one, "web", "1")
        await one.until(has("1"))


async def test_what_waits_goes_on_waiting_after_a_restart_of_the_kubelet(clock: VirtualClock) -> None:
    async with machine(clock) as (client, runtime):
        async with running(clock, client, runtime) as one:
            await client.create(sized("web", "1"))
            await one.until(is_ready)
            await resize(one, "web", "9")
            await one.until(waits("Infeasible"))
        async with running(clock, client, runtime) as one:
            await clock.sleep(5)
            found = await one.pod()
            assert waits("Infeasible")(found)
            assert str(found.status.container_statuses[0].allocated_resources["cpu"]) == "1"
            await resize(one, "web", "2")
            await one.until(has("2"))


def test_events_tell_what_is_asked_for() -> None:
    assert resizes.message("Deferred", asking("1500m"), "no room") == (
        'Pod resize Deferred: {"containers":[{"name":"c","resources":'
        '{"requests":{"cpu":"1500m","memory":"1Gi"}}}],"generation":1,"error":"no room"}'
    )


def test_conditions_that_pass_are_taken_away_and_no_others() -> None:
    def status(*types: str) -> PodStatus:
        return PodStatus(conditions=tuple(PodCondition(type=one, status="True") for one in types))

    found = difference(status("Ready", "mine", resizes.PENDING), status("Ready"))
    assert found == {"conditions": [{"type": resizes.PENDING, "$patch": "delete"}]}
    assert difference(status("Ready", "mine"), status("Ready")) == {}


async def test_a_pod_as_a_whole_is_resized_by_its_own_cgroup(clock: VirtualClock) -> None:
    held: list[str] = []

    class Recorded(NoPlace):
        async def hold(self, pod: Pod, resource: str) -> None:
            assert pod.spec.resources is not None
            held.append(f"{resource} {pod.spec.resources.requests['cpu']}")

    def told(found: Pod) -> tuple[str, str]:
        assert found.status.resources is not None
        return str(found.status.resources.requests["cpu"]), str(found.status.allocated_resources["cpu"])

    async def wish(cpu: str) -> None:
        body = StrategicMergePatch({"spec": {"resources": {"requests": {"cpu": cpu}}}})
        await one.client.patch(Pod, "web", "default", body)

    async with world(clock, Recorded()) as one:
        await one.client.create(simulated_pod(resources={"requests": {"cpu": "1"}}))
        assert told(await one.until(is_ready)) == ("1", "1")
        await wish("3")
        assert told(await one.until(waits("Infeasible"))) == ("1", "1")
        assert held == []
        await wish("1500m")
        found = await one.until(lambda found: told(found) == ("1500m", "1500m"))
        assert held == ["cpu 1500m"]
        assert resizes.PENDING not in {c.type for c in found.status.conditions}
        assert [r for r in await one.reasons() if r.startswith("Resize")] == [
            "ResizeInfeasible",
            "ResizeStarted",
            "ResizeCompleted",
        ]
