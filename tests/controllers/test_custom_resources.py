"""Controllers and custom resources: quotas count them, budgets ask for their scale."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.quantity import parse
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.core.v1 import ResourceQuota, ResourceQuotaSpec
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta, OwnerReference, PartialObjectMetadata
from pilothouse.api.types.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpec
from pilothouse.machinery.client import ApplyPatch
from pilothouse.machinery.discovery import preferred
from pilothouse.testing.clock import VirtualClock
from tests.controllers.test_budgets import LABELS, pod
from tests.controllers.world import World, world

pytestmark = pytest.mark.api("server")  # the fake has no custom resources
replace = msgspec.structs.replace
COUNTED = "count/widgets.example.com"


def definition(scale: bool = True) -> CustomResourceDefinition:
    paths = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        **({"subresources": {"scale": paths}} if scale else {}),
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    return from_builtins({"metadata": {"name": "widgets.example.com"}, "spec": spec}, CustomResourceDefinition)


async def widgets(w: World) -> Resource:
    return preferred(await w.client.metadata.resources())["example.com", "widgets"]


async def widget(w: World, name: str, replicas: int = 1) -> PartialObjectMetadata:
    meta = {"name": name, "namespace": "ns"}
    body: dict[str, Any] = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": meta}
    patch = ApplyPatch({**body, "spec": {"replicas": replicas}}, "test")
    return await w.client.metadata.patch(await widgets(w), name, "ns", patch)


async def used(w: World) -> dict[str, str]:
    await w.rest()
    await w.rest()
    (quota,) = await w.all(ResourceQuota)
    return {name: str(value) for name, value in quota.status.used.items()}


async def test_quota_counts_a_custom_resource_that_comes_later(clock: VirtualClock) -> None:
    async with world(clock, ("resourcequota-controller",)) as w:
        hard = {COUNTED: parse("1"), "configmaps": parse("5")}
        quota = ResourceQuota(metadata=ObjectMeta(name="q", namespace="ns"), spec=ResourceQuotaSpec(hard=hard))
        await w.client.create(quota)
        assert await used(w) == {"configmaps": "0"}
        await w.client.create(definition())
        assert await used(w) == {"configmaps": "0", COUNTED: "0"}
        await widget(w, "one")
        assert (await used(w))[COUNTED] == "1"
        with pytest.raises(StatusError, match=r"exceeded quota: q, requested: count/widgets\.example\.com=1"):
            await widget(w, "two")
        await w.client.metadata.delete(await widgets(w), "one", "ns")
        assert (await used(w))[COUNTED] == "0"
        await widget(w, "two")
        await w.client.delete(CustomResourceDefinition, "widgets.example.com")
        assert await used(w) == {"configmaps": "0"}
        await w.client.create(definition())
        assert (await used(w))[COUNTED] == "0"


async def budget_over(w: World, **changes: Any) -> PodDisruptionBudget:
    """A budget of half over three pods of a widget of four."""
    owner = await widget(w, "big", replicas=4)
    reference = OwnerReference(
        api_version="example.com/v1", kind="Widget", name="big", uid=owner.metadata.uid, controller=True
    )
    for number in range(3):
        one = pod(f"p{number}")
        meta = replace(one.metadata, owner_references=(replace(reference, **changes),))
        await w.put(replace(one, metadata=meta))
    spec = PodDisruptionBudgetSpec(min_available="50%", selector=LabelSelector(match_labels=LABELS))
    await w.client.create(PodDisruptionBudget(metadata=ObjectMeta(name="b", namespace="ns"), spec=spec))
    await w.rest()
    return (await w.all(PodDisruptionBudget))[0]


async def test_budget_asks_a_custom_controller_for_its_scale(clock: VirtualClock) -> None:
    async with world(clock, ("disruption-controller",)) as w:
        await w.client.create(definition())
        await w.rest()
        status = (await budget_over(w)).status
        assert (status.expected_pods, status.desired_healthy, status.disruptions_allowed) == (4, 2, 1)


@pytest.mark.parametrize(
    ("scale", "changes", "expected"),
    [
        (False, {}, "widgets.example.com does not implement the scale subresource"),
        (True, {"name": "other"}, 'found no controllers for pod "p0"'),
        (True, {"uid": "other"}, 'found no controllers for pod "p0"'),
        (True, {"kind": "Gadget"}, 'no matches for kind "Gadget" in version "example.com/v1"'),
    ],
)
async def test_budget_says_what_it_cannot_count(
    clock: VirtualClock, scale: bool, changes: dict[str, str], expected: str
) -> None:
    async with world(clock, ("disruption-controller",)) as w:
        await w.client.create(definition(scale))
        await w.rest()
        status = (await budget_over(w, **changes)).status
        (condition,) = status.conditions
        assert (condition.reason, condition.message, status.disruptions_allowed) == ("SyncFailed", expected, 0)
        told = f"Failed to calculate the number of expected pods: {expected}"
        assert ("CalculateExpectedPodCountFailed", told) in await w.events()
