"""PodDisruptionBudgets and ResourceQuotas: what may go, what is used."""

from __future__ import annotations

import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetSpec
from pilothouse.api.types.core.v1 import (
    ConfigMap,
    Container,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    ResourceQuota,
    ResourceQuotaSpec,
    ResourceRequirements,
    Service,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from pilothouse.controllers import disruption
from pilothouse.controllers.pod_control import with_spec
from pilothouse.semantics.ownership import controller_reference
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import world

LABELS = {"app": "web"}


def pod(name: str, ready: bool = True, owner: ReplicaSet | None = None) -> Pod:
    owners = (controller_reference(owner),) if owner is not None else ()
    resources = ResourceRequirements(requests={"cpu": parse("250m")}, limits={"memory": parse("1Gi")})
    return Pod(
        metadata=ObjectMeta(name=name, namespace="ns", labels=LABELS, owner_references=owners),
        spec=PodSpec(containers=(Container(name="c", image="i", resources=resources),)),
        status=PodStatus(conditions=(PodCondition(type="Ready", status="True" if ready else "False"),)),
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (PodDisruptionBudgetSpec(min_available=2), (1, 3, 2)),
        (PodDisruptionBudgetSpec(min_available="50%"), (0, 10, 5)),
        (PodDisruptionBudgetSpec(max_unavailable=8), (1, 10, 2)),
        (PodDisruptionBudgetSpec(max_unavailable="75%"), (1, 10, 2)),
        (PodDisruptionBudgetSpec(min_available=5), (0, 3, 5)),
    ],
)
def test_disruptions_allowed(spec: PodDisruptionBudgetSpec, expected: tuple[int, int, int]) -> None:
    budget = PodDisruptionBudget(spec=spec)
    status, _ = disruption.decide(budget, [pod("a"), pod("b"), pod("c")], 10, 0.0)
    assert (status.disruptions_allowed, status.expected_pods, status.desired_healthy) == expected


def test_granted_eviction_counts_until_it_shows() -> None:
    status = PodDisruptionBudgetStatus(disrupted_pods={"a": "1970-01-01T00:01:40Z", "b": "1970-01-01T00:00:00Z"})
    budget = PodDisruptionBudget(spec=PodDisruptionBudgetSpec(min_available=1), status=status)
    found, again = disruption.decide(budget, [pod("a"), pod("b")], 2, 150.0)
    assert dict(found.disrupted_pods) == {"a": "1970-01-01T00:01:40Z"}
    assert (found.current_healthy, found.disruptions_allowed, again) == (1, 0, 70.0)


async def test_budget_follows_pods_and_scale(clock: VirtualClock) -> None:
    async with world(clock, ("disruption-controller",)) as w:
        template = PodTemplateSpec(metadata=ObjectMeta(labels=LABELS), spec=pod("t").spec)
        spec = ReplicaSetSpec(replicas=3, selector=LabelSelector(match_labels=LABELS), template=template)
        owner = await w.client.create(ReplicaSet(metadata=ObjectMeta(name="web", namespace="ns"), spec=spec))
        wanted = PodDisruptionBudgetSpec(max_unavailable=1, selector=LabelSelector(match_labels=LABELS))
        await w.client.create(PodDisruptionBudget(metadata=ObjectMeta(name="b", namespace="ns"), spec=wanted))
        for number in range(3):
            await w.put(pod(f"p{number}", owner=owner))
        await w.rest()
        (held,) = await w.all(PodDisruptionBudget)
        assert (held.status.disruptions_allowed, held.status.current_healthy) == (1, 3)
        assert (held.status.conditions[0].type, held.status.conditions[0].reason) == (
            "DisruptionAllowed",
            "SufficientPods",
        )
        await w.client.update(with_spec(owner, replicas=5))
        await w.rest()
        (held,) = await w.all(PodDisruptionBudget)
        assert (held.status.disruptions_allowed, held.status.conditions[0].reason) == (0, "InsufficientPods")


async def test_quota_counts_what_is_used(clock: VirtualClock) -> None:
    async with world(clock, ("resourcequota-controller",)) as w:
        names = ("pods", "requests.cpu", "limits.memory", "configmaps", "count/configmaps", "services.nodeports")
        hard = {name: parse("10Gi" if "memory" in name else "10") for name in names}
        quota = ResourceQuota(metadata=ObjectMeta(name="q", namespace="ns"), spec=ResourceQuotaSpec(hard=hard))
        await w.client.create(quota)
        await w.rest()
        (held,) = await w.all(ResourceQuota)
        assert {k: str(v) for k, v in held.status.used.items()} == dict.fromkeys(names, "0")
        assert held.status.hard == hard
        await w.put(pod("a"))
        await w.put(pod("b"))
        await w.client.create(ConfigMap(metadata=ObjectMeta(name="c", namespace="ns")))
        ports = (ServicePort(name="a", port=80), ServicePort(name="b", port=81))
        await w.client.create(
            Service(metadata=ObjectMeta(name="s", namespace="ns"), spec=ServiceSpec(type="NodePort", ports=ports))
        )
        await w.rest()
        (held,) = await w.all(ResourceQuota)
        assert {k: str(v) for k, v in held.status.used.items()} == {
            "pods": "2",
            "requests.cpu": "500m",
            "limits.memory": "2Gi",
            "configmaps": "1",
            "count/configmaps": "1",
            "services.nodeports": "2",
        }
        await w.status(pod("a"), phase="Succeeded")
        await w.client.delete(Pod, "b", "ns")
        await w.rest()
        (held,) = await w.all(ResourceQuota)
        assert str(held.status.used["pods"]) == "0"


async def test_quota_with_a_scope_counts_its_pods_only(clock: VirtualClock) -> None:
    async with world(clock, ("resourcequota-controller",)) as w:
        spec = ResourceQuotaSpec(hard={"pods": parse("5")}, scopes=("BestEffort",))
        await w.client.create(ResourceQuota(metadata=ObjectMeta(name="q", namespace="ns"), spec=spec))
        await w.rest()
        await w.put(pod("burstable"))
        await w.client.create(
            Pod(
                metadata=ObjectMeta(name="best", namespace="ns"),
                spec=PodSpec(containers=(Container(name="c", image="i"),)),
            )
        )
        await w.rest()
        assert str((await w.all(ResourceQuota))[0].status.used["pods"]) == "1"
