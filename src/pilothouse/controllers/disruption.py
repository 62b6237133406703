"""PodDisruptionBudgets: how many of the selected pods may be evicted now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.api.errors import StatusError, qualified
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.time import format_time, parse_time
from pilothouse.api.types.apps.v1 import Deployment, ReplicaSet, StatefulSet
from pilothouse.api.types.core.v1 import Pod, ReplicationController
from pilothouse.api.types.meta.v1 import Condition, OwnerReference
from pilothouse.api.types.policy.v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import CLIENT_ERRORS, Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.machinery.discovery import by_kind
from pilothouse.machinery.events import NORMAL, WARNING
from pilothouse.semantics import conditions
from pilothouse.semantics.amounts import scaled
from pilothouse.semantics.ownership import controller_of
from pilothouse.semantics.pods import is_ready, is_terminal

IDENTITY = "disruption-controller"
NOT_FOUND = 404
ALLOWED = "DisruptionAllowed"
EVICTION_SECONDS = 120.0
"""How long an eviction that was granted may take to show as a deletion."""
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the "
    "status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these "
    'pods please set ".spec.minAvailable" field of the PDB to an integer value.'
)
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods there should be, and how many of them healthy."""

    expected: int
    healthy: int


def by_scale(budget: PodDisruptionBudget) -> bool:
    """Whether the budget is counted from the sizes of the pods' controllers rather than from the pods."""
    return budget.spec.max_unavailable is not None or isinstance(budget.spec.min_available, str)


def need_of(budget: PodDisruptionBudget, pods: Sequence[Pod], scale: int) -> Need:
    """What the budget asks for; `scale` is the sum of its controllers' sizes."""
    spec = budget.spec
    if spec.max_unavailable is not None:
        unavailable = scaled(spec.max_unavailable, scale, round_up=True)
        return Need(scale, max(scale - unavailable, 0))
    if isinstance(spec.min_available, str):
        return Need(scale, scaled(spec.min_available, scale, round_up=True))
    return Need(len(pods), spec.min_available or 0)


def decide(
    budget: PodDisruptionBudget, pods: Sequence[Pod], scale: int, now: float
) -> tuple[PodDisruptionBudgetStatus, float | None]:
    """The status, and when to look again because a granted eviction has not shown."""
    need = need_of(budget, pods, scale)
    disrupted, again = _still_disrupted(budget.status.disrupted_pods, pods, now)
    healthy = sum(
        p.metadata.deletion_timestamp is None and p.metadata.name not in disrupted and is_ready(p) for p in pods
    )
    allowed = max(healthy - need.healthy, 0) if need.expected > 0 else 0
    told = Condition(
        type=ALLOWED,
        status="True" if allowed else "False",
        reason="SufficientPods" if allowed else "InsufficientPods",
        observed_generation=budget.metadata.generation,
        last_transition_time=format_time(now),
    )
    status = PodDisruptionBudgetStatus(
        observed_generation=budget.metadata.generation,
        disrupted_pods=disrupted,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=need.healthy,
        expected_pods=need.expected,
        conditions=conditions.put(budget.status.conditions, told),
    )
    return status, again


def _still_disrupted(held: Mapping[str, str], pods: Sequence[Pod], now: float) -> tuple[dict[str, str], float | None]:
    found: dict[str, str] = {}
    again: float | None = None
    for pod in pods:
        since = held.get(pod.metadata.name)
        if since is None or pod.metadata.deletion_timestamp is not None:
            continue
        left = parse_time(since) + EVICTION_SECONDS - now
        if left > 0:
            found[pod.metadata.name] = since
            again = left if again is None else min(again, left)
    return found, again


def failed(budget: PodDisruptionBudget, message: str, now: float) -> PodDisruptionBudgetStatus:
    """The status when the count failed: nothing may be evicted."""
    told = Condition(
        type=ALLOWED,
        status="False",
        reason="SyncFailed",
        message=message,
        observed_generation=budget.metadata.generation,
        last_transition_time=format_time(now),
    )
    return replace(
        budget.status,
        disruptions_allowed=0,
        observed_generation=budget.metadata.generation,
        conditions=conditions.put(budget.status.conditions, told),
    )


class _Shell:
    """Caches and writes; keys are budgets."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.recorder = env.recorder("controllermanager", IDENTITY)
        self.controller: Controller[Key] = env.controller("disruption-controller", IDENTITY, self.reconcile)
        self.budgets = self.controller.on(PodDisruptionBudget, own_key)
        self.replica_sets = self.controller.on(ReplicaSet, self._scaled)
        self.deployments = self.controller.on(Deployment, self._scaled)
        self.stateful_sets = self.controller.on(StatefulSet, self._scaled)
        self.replication_controllers = self.controller.on(ReplicationController, self._scaled)
        self.pods = self.controller.on(Pod, self._pod_changed)

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> Iterable[Key]:
        pods = [p for p in (old, new) if p is not None]
        for budget in self.budgets.list(pods[0].metadata.namespace):
            try:
                selector = of_object(budget.spec.selector)
            except SelectorError:
                continue
            if any(selector.matches(p.metadata.labels) for p in pods):
                yield key_of(budget)

    def _scaled(self, old: Any, new: Any) -> Iterable[Key]:
        if old is not None and new is not None and old.spec.replicas == new.spec.replicas:
            return ()
        namespace = (new if new is not None else old).metadata.namespace
        return [key_of(b) for b in self.budgets.list(namespace) if by_scale(b)]

    async def reconcile(self, key: Key, client: Client) -> None:
        budget = self.budgets.get(key[1], key[0])
        if budget is None or budget.metadata.deletion_timestamp is not None:
            return
        now = self.env.clock.now()
        try:
            selector = of_object(budget.spec.selector)
        except SelectorError:
            return
        pods = [p for p in self.pods.list(key[0]) if selector.matches(p.metadata.labels) and not is_terminal(p)]
        if not pods:
            self.recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        again: float | None = None
        try:
            scale = await self._scale(budget, pods, client) if by_scale(budget) else len(pods)
            status, again = decide(budget, pods, scale, now)
        except (ValueError, *CLIENT_ERRORS) as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self.recorder.event(budget, WARNING, "CalculateExpectedPodCountFailed", text)
            status = failed(budget, str(error), now)
        if status != budget.status:
            await client.update(replace(budget, status=status), subresource="status")
        if again is not None:
            self.controller.queue.add_after(key, again + 1.0)

    async def _scale(self, budget: PodDisruptionBudget, pods: Sequence[Pod], client: Client) -> int:
        """The sum of the sizes of all controllers of these pods, each once. Raises ValueError for a pod without one,
        and the client's errors."""
        sizes: dict[str, int] = {}
        unmanaged = False
        for pod in pods:
            reference = controller_of(pod.metadata)
            if reference is None:
                unmanaged = True
            elif reference.uid not in sizes:
                found = self._size(pod.metadata.namespace, reference)
                if found is None:
                    found = await _custom_size(pod.metadata.namespace, reference, client)
                if found is None:
                    raise ValueError(f'found no controllers for pod "{pod.metadata.name}"')
                uid, size = found
                sizes[reference.uid] = 0
                sizes[uid] = size
        if unmanaged:
            text = UNMANAGED.format(selector=of_object(budget.spec.selector))
            self.recorder.event(budget, WARNING, "UnmanagedPods", text)
        return sum(sizes.values())

    def _size(self, namespace: str, reference: OwnerReference) -> tuple[str, int] | None:
        """Uid and size of a controller whose kind has a cache here; a Deployment stands for its ReplicaSets."""
        group = reference.api_version.rpartition("/")[0]
        held: ReplicaSet | StatefulSet | ReplicationController | None = None
        if reference.kind == "ReplicaSet" and group in ("apps", "extensions"):
            held = self.replica_sets.get(reference.name, namespace)
        elif reference.kind == "StatefulSet" and group == "apps":
            held = self.stateful_sets.get(reference.name, namespace)
        elif reference.kind == "ReplicationController" and not group:
            held = self.replication_controllers.get(reference.name, namespace)
        if held is None or held.metadata.uid != reference.uid:
            return None
        owner = controller_of(held.metadata)
        if isinstance(held, ReplicaSet) and owner is not None and owner.kind == "Deployment":
            deployment = self.deployments.get(owner.name, namespace)
            if deployment is None or deployment.metadata.uid != owner.uid:
                return None
            return deployment.metadata.uid, _replicas(deployment.spec.replicas)
        return held.metadata.uid, _replicas(held.spec.replicas)


async def _custom_size(namespace: str, reference: OwnerReference, client: Client) -> tuple[str, int] | None:
    """Uid and size of any other controller, by its subresource `scale`; None if it is not there."""
    resource = by_kind(await client.metadata.resources()).get((reference.api_version, reference.kind))
    if resource is None:
        raise ValueError(f'no matches for kind "{reference.kind}" in version "{reference.api_version}"')
    if not any(s.name == "scale" and s.kind == "Scale" for s in resource.subresources):
        raise ValueError(f"{qualified(resource.group, resource.resource)} does not implement the scale subresource")
    try:
        scale = await client.metadata.scale(resource, reference.name, namespace)
    except StatusError as error:
        if error.code == NOT_FOUND:
            return None
        raise
    return (scale.metadata.uid, scale.spec.replicas) if scale.metadata.uid == reference.uid else None


def _replicas(told: int | None) -> int:
    return 1 if told is None else told


def build(env: Environment) -> Controller[Key]:
    """Keys are PodDisruptionBudgets."""
    return _Shell(env).controller
