"""ReplicaSets and ReplicationControllers: as many active pods as wanted. One rule, two kinds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.api.selectors import LabelSelector, SelectorError, of_labels, of_object
from pilothouse.api.time import format_time
from pilothouse.api.types.apps.v1 import ReplicaSet, ReplicaSetCondition
from pilothouse.api.types.core.v1 import Pod, ReplicationController, ReplicationControllerCondition
from pilothouse.controllers import pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, own_key
from pilothouse.semantics import conditions
from pilothouse.semantics.ownership import controller_of
from pilothouse.semantics.pods import available_in, crowding, deletion_order, is_active, is_ready, is_terminal

BURST = 500
FAILURE = "ReplicaFailure"


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pods to make and which to give up."""

    create: int = 0
    delete: Sequence[Pod] = ()


def selector_of(owner: Any) -> LabelSelector:
    """What pods it wants. Raises SelectorError."""
    if isinstance(owner, ReplicationController):
        return of_labels(owner.spec.selector)
    return of_object(owner.spec.selector)


def decide(owner: Any, pods: Sequence[Pod], related: Sequence[Pod], now: float) -> Plan:
    """What to do about a difference between wanted and active pods; `related` are the pods of the same Deployment."""
    if owner.metadata.deletion_timestamp is not None:
        return Plan()
    active = [p for p in pods if is_active(p)]
    wanted = 1 if owner.spec.replicas is None else owner.spec.replicas
    difference = len(active) - wanted
    if difference < 0:
        return Plan(create=min(-difference, BURST))
    if difference == 0:
        return Plan()
    count = min(difference, BURST)
    if count < len(active):
        active = deletion_order(active, crowding(related), now)
    return Plan(delete=active[:count])


def decide_status(owner: Any, pods: Sequence[Pod], failure: tuple[str, str] | None, now: float) -> Any:
    """The status that counts `pods`; `failure` is the reason and message of a failed create or delete."""
    active = [p for p in pods if is_active(p)]
    labels = owner.spec.template.metadata.labels if owner.spec.template is not None else {}
    condition = ReplicationControllerCondition if isinstance(owner, ReplicationController) else ReplicaSetCondition
    held = owner.status.conditions
    if failure is not None and conditions.find(held, FAILURE) is None:
        reason, message = failure
        stamp = format_time(now)
        new = condition(type=FAILURE, status="True", reason=reason, message=message, last_transition_time=stamp)
        held = conditions.put(held, new)
    elif failure is None:
        held = conditions.without(held, FAILURE)
    changes = {
        "replicas": len(active),
        "fully_labeled_replicas": sum(labels.items() <= p.metadata.labels.items() for p in active),
        "ready_replicas": sum(map(is_ready, active)),
        "available_replicas": sum(available_in(p, owner.spec.min_ready_seconds, now) == 0 for p in active),
        "observed_generation": owner.metadata.generation,
        "conditions": held,
    }
    if isinstance(owner, ReplicaSet):
        ending = [p for p in pods if not is_terminal(p) and p.metadata.deletion_timestamp is not None]
        changes["terminating_replicas"] = len(ending)
    return msgspec.structs.replace(owner.status, **changes)


def next_available(pods: Iterable[Pod], min_ready_seconds: int, now: float) -> float | None:
    """Seconds until the next ready pod becomes available, if one is about to."""
    waits = [available_in(p, min_ready_seconds, now) for p in pods if is_active(p)]
    return min((w for w in waits if w), default=None)


def _build(env: Environment, kind: Any, identity: str, name: str) -> Controller[Key]:
    group = "apps" if kind is ReplicaSet else ""
    recorder = env.recorder(name, identity)

    async def reconcile(key: Key, client: Client) -> None:
        owner = owners.get(key[1], key[0])
        if owner is None:
            return
        try:
            selector = selector_of(owner)
        except SelectorError:
            return
        owned = await claims.claim(client, owner, selector, pods, wanted=lambda p: not is_terminal(p))
        plan = decide(owner, owned, related_to(owner), env.clock.now())
        failure: tuple[str, str] | None = None
        error: BaseException | None = None
        if plan.create:
            wanted = [pod_control.pod_of(owner.spec.template, owner)] * plan.create
            _, refused = await pod_control.create_pods(client, owner, wanted, recorder)
            error = next(iter(refused), None)
            failure = ("FailedCreate", str(error)) if error is not None else None
        elif plan.delete:
            error = await pod_control.delete_pods(client, owner, plan.delete, recorder)
            failure = ("FailedDelete", str(error)) if error is not None else None
        now = env.clock.now()
        status = decide_status(owner, owned, failure, now)
        if status != owner.status:
            await client.update(msgspec.structs.replace(owner, status=status), subresource="status")
        if error is not None and not pod_control.namespace_ends(error):
            raise error
        wait = next_available(owned, owner.spec.min_ready_seconds, now)
        if wait is not None:
            controller.queue.add_after(key, wait)

    def related_to(owner: Any) -> Sequence[Pod]:
        """Pods of all sets that share the owner's own controller."""
        reference = controller_of(owner.metadata)
        mine = pods.by_index(claims.INDEX, owner.metadata.uid)
        if reference is None:
            return mine
        mates = owners.by_index(claims.INDEX, reference.uid)
        return [p for mate in mates for p in pods.by_index(claims.INDEX, mate.metadata.uid)]

    def wanting(pod: Pod) -> list[Key]:
        found = []
        for owner in owners.list(pod.metadata.namespace):
            try:
                if selector_of(owner).matches(pod.metadata.labels):
                    found.append((owner.metadata.namespace, owner.metadata.name))
            except SelectorError:
                continue
        return found

    controller = env.controller(name, identity, reconcile)
    owners = controller.on(kind, own_key)
    owners.add_index(claims.INDEX, claims.index)
    pods = controller.needs(Pod)
    pod_control.pods_by_controller(pods)
    controller.on(Pod, pod_control.keys_of_owner(kind.__name__, group, wanting))
    return controller


def build_replica_sets(env: Environment) -> Controller[Key]:
    """Keys are ReplicaSets."""
    return _build(env, ReplicaSet, "replicaset-controller", "replicaset-controller")


def build_replication_controllers(env: Environment) -> Controller[Key]:
    """Keys are ReplicationControllers."""
    return _build(env, ReplicationController, "replication-controller", "replication-controller")
