"""Pods that were to be disrupted and were not."""

from __future__ import annotations

import pytest

from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.core.v1 import Container, Pod, PodCondition, PodSpec, PodStatus
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.stale_disruption import CONDITION, stale_in
from pilothouse.semantics.pods import condition_of
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import world

SINCE = "2026-01-01T00:00:00Z"


def pod(status: str = "True", reason: str = "PreemptionByScheduler", since: str = SINCE, **meta: str) -> Pod:
    condition = PodCondition(type=CONDITION, status=status, reason=reason, message="m", last_transition_time=since)
    return Pod(
        metadata=ObjectMeta(name="p", namespace="ns", **meta),  # type: ignore[arg-type]
        spec=PodSpec(containers=(Container(name="c", image="i"),), node_name="n"),
        status=PodStatus(phase="Running", conditions=(condition,)),
    )


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (pod(), 90),
        (pod(status="False"), None),
        (pod(reason="TerminationByKubelet"), None),
        (pod(deletion_timestamp=SINCE), None),
        (Pod(), None),
    ],
)
def test_when_it_is_stale(found: Pod, left: float | None) -> None:
    assert stale_in(found, parse_time(SINCE) + 30) == left


async def test_it_is_taken_back_after_two_minutes(clock: VirtualClock) -> None:
    async with world(clock, ("stale-pod-disruption-controller",)) as w:
        await w.put(pod(since=format_time(clock.now())))
        await clock.advance(118)
        held = condition_of(await w.client.get(Pod, "p", "ns"), CONDITION)
        assert held is not None
        assert held.status == "True"
        await clock.advance(3)
        held = condition_of(await w.client.get(Pod, "p", "ns"), CONDITION)
        assert held is not None
        assert (held.status, held.reason) == ("False", "PreemptionByScheduler")
