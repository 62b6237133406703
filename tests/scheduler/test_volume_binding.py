"""Claims that wait for their first consumer: the scheduler picks or orders a volume, waits, and binds the pod then."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.kit.tasks import TaskScope
from pilothouse.testing.clock import VirtualClock
from tests.scheduler.build import node, pod
from tests.scheduler.test_filters import LATE, USES, claim, storage, volume
from tests.scheduler.test_runner import Lab

replace = msgspec.structs.replace
SELECTED_NODE = "volume.kubernetes.io/selected-node"


@pytest.fixture
async def lab(clock: VirtualClock) -> AsyncIterator[Lab]:
    async with TaskScope("test") as scope:
        lab = Lab(clock, scope)
        await lab.scheduler.wait_ready()
        yield lab


async def bind(lab: Lab, name: str, chosen: str) -> None:
    """What the volume controller does."""
    held = await lab.client.get(PersistentVolumeClaim, name, "default")
    annotations = {**held.metadata.annotations, "pv.kubernetes.io/bind-completed": "yes"}
    metadata = replace(held.metadata, annotations=annotations)
    await lab.client.update(replace(held, metadata=metadata, spec=replace(held.spec, volume_name=chosen)))


async def test_a_volume_that_is_there_is_put_aside(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer", "kubernetes.io/no-provisioner"))
    await lab.create(node("a"), node("b"), claim("data", **LATE), volume("v1", "b", **LATE), pod("p", **USES))
    await lab.settle()
    held = await lab.client.get(PersistentVolume, "v1")
    assert held.spec.claim_ref is not None
    assert (held.spec.claim_ref.namespace, held.spec.claim_ref.name) == ("default", "data")
    assert held.metadata.annotations["pv.kubernetes.io/bound-by-controller"] == "yes"
    assert await lab.where("p") == "", "not before the claim is bound"
    await bind(lab, "data", "v1")
    await lab.settle(2)
    assert await lab.where("p") == "b"


async def test_a_volume_is_ordered_for_the_node(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer"), node("a"), claim("data", **LATE), pod("p", **USES))
    await lab.settle()
    held = await lab.client.get(PersistentVolumeClaim, "data", "default")
    assert held.metadata.annotations[SELECTED_NODE] == "a"
    await lab.create(volume("v1", "a", **LATE))
    await bind(lab, "data", "v1")
    await lab.settle(2)
    assert await lab.where("p") == "a"


async def test_one_volume_is_not_given_to_two(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer", "kubernetes.io/no-provisioner"), node("a"))
    await lab.create(volume("v1", "a", **LATE), claim("data", **LATE), claim("more", **LATE))
    other = {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "more"}}]}
    await lab.create(pod("p", **USES), pod("q", **other))
    await lab.settle()
    assert "didn't find available persistent volumes to bind" in await lab.message("q")
    await lab.create(volume("v2", "a", **LATE))
    await lab.settle(3)
    await bind(lab, "data", "v1")
    await bind(lab, "more", "v2")
    await lab.settle(3)
    assert (await lab.where("p"), await lab.where("q")) == ("a", "a")


async def test_a_claim_that_comes_late(lab: Lab) -> None:
    await lab.create(node("a"), pod("p", **USES))
    await lab.settle()
    assert 'persistentvolumeclaim "data" not found' in await lab.message("p")
    await lab.create(volume("v1"), claim("data", "v1"))
    await lab.settle(3)
    assert await lab.where("p") == "a"


async def test_a_claim_that_is_never_bound_lets_the_node_go(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer"), node("a"), claim("data", **LATE), pod("p", **USES))
    await lab.settle(2)
    assert len(lab.scheduler.watching.assumed) == 1
    await lab.client.delete(PersistentVolumeClaim, "data", "default")
    await lab.settle(2)
    assert not lab.scheduler.watching.assumed
    assert "not found" in await lab.message("p") or "deleted" in await lab.message("p")


async def test_others_hear_of_the_node_while_the_volume_is_made(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer"), node("a"), claim("data", **LATE), pod("p", **USES))
    await lab.settle()
    assert (await lab.pod("p")).status.nominated_node_name == "a"
    assert await lab.where("p") == ""


async def test_the_node_is_no_longer_told_when_the_volume_does_not_come(lab: Lab) -> None:
    await lab.create(storage("late", "WaitForFirstConsumer"), node("a"), claim("data", **LATE), pod("p", **USES))
    await lab.settle()
    held = await lab.client.get(Node, "a")
    await lab.client.update(replace(held, spec=replace(held.spec, unschedulable=True)))
    await lab.settle(605)
    assert (await lab.pod("p")).status.nominated_node_name == ""


async def test_a_pod_without_work_before_its_binding_is_bound_at_once(lab: Lab) -> None:
    await lab.create(node("a"), pod("p"))
    await lab.settle()
    found = await lab.pod("p")
    assert (found.spec.node_name, found.status.nominated_node_name) == ("a", "")
