"""Events: counted when equal, combined when similar, limited when too many."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Event, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.events import NORMAL, WARNING, Recorder
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster

POD = Pod(metadata=ObjectMeta(name="p", namespace="ns", uid="u"))


async def events(clock: VirtualClock, messages: list[str]) -> list[Event]:
    client = FakeClient(FakeCluster(clock))
    async with TaskScope("test") as scope:
        recorder = Recorder("tester", client, clock, scope)
        for message in messages:
            recorder.event(POD, WARNING, "Failed", message)
            await clock.advance(0.001)
        await recorder.drained()
    return list((await client.list(Event, "ns")).items)


async def test_equal_events_are_counted(clock: VirtualClock) -> None:
    (found,) = await events(clock, ["boom"] * 3)
    assert (found.count, found.message, found.type, found.reason) == (3, "boom", "Warning", "Failed")
    assert found.involved_object.uid == "u"
    assert found.source.component == "tester"
    assert found.metadata.name.startswith("p.")


async def test_similar_events_are_combined(clock: VirtualClock) -> None:
    found = await events(clock, [f"boom {n}" for n in range(12)])
    assert len(found) == 10
    combined = max(found, key=lambda e: e.count)
    assert combined.message == "(combined from similar events): boom 11"
    assert combined.count == 3


async def test_spam_is_dropped(clock: VirtualClock) -> None:
    (found,) = await events(clock, ["boom"] * 40)
    assert found.count == 25
    assert NORMAL == "Normal"
