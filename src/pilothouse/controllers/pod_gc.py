"""Collects pods that nobody else will: finished ones beyond a threshold, those of nodes that are gone, terminating ones
of nodes that are out of service, and terminating ones that never got a node."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api.errors import StatusError
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import Node, Pod, PodCondition
from pilothouse.controllers import pod_control
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.nodes.health import ready_of
from pilothouse.controllers.nodes.lifecycle import BY_NODE, by_node
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller
from pilothouse.semantics import taints
from pilothouse.semantics.pods import FAILED, is_terminal

IDENTITY = "pod-garbage-collector"
NODE_QUARANTINE = 40.0
GONE = 404
ROUND = "all"
# An unscheduled pod that ends is mostly on its way out already: the server removes it in its next step.
PATIENCE = 1.0
BY_STATE, FINISHED, ENDING = "state", "finished", "ending"


@dataclass(frozen=True, slots=True)
class Doomed:
    """A pod to force away, failed first if it has not ended; with `orphaned`, of a node that is gone."""

    pod: Pod
    orphaned: bool = False


def by_state(pod: Pod) -> tuple[str, ...]:
    """Index of the pods that may have to be collected for what they are; the others only when their node is gone."""
    if pod.metadata.deletion_timestamp is not None:
        return (ENDING,)
    return (FINISHED,) if is_terminal(pod) else ()


def out_of_service(node: Node | None) -> bool:
    return (
        node is not None and ready_of(node) != "True" and any(t.key == taints.OUT_OF_SERVICE for t in node.spec.taints)
    )


def decide(pods: Sequence[Pod], nodes: Mapping[str, Node], absent: Collection[str], threshold: int) -> list[Doomed]:
    """The pods to collect. `absent` are nodes known to be gone for long enough."""
    finished = [p for p in pods if is_terminal(p)]
    excess = len(finished) - threshold if threshold > 0 else 0
    evicted_first = sorted(finished, key=_turn)
    found = {p.metadata.uid: Doomed(p) for p in evicted_first[: max(excess, 0)]}
    for pod in pods:
        node = pod.spec.node_name
        if pod.metadata.deletion_timestamp is not None and (
            (not node and not _ended_and_held(pod)) or out_of_service(nodes.get(node))
        ):
            found[pod.metadata.uid] = Doomed(pod)
        if node and node not in nodes and node in absent:
            found[pod.metadata.uid] = Doomed(pod, orphaned=True)
    return list(found.values())


def _turn(pod: Pod) -> tuple[bool, str, str]:
    """The order in which finished pods go: evicted ones first, then by age."""
    return pod.status.reason != "Evicted", pod.metadata.creation_timestamp or "", pod.metadata.name


def _ended_and_held(pod: Pod) -> bool:
    """Whether all was done that can be done: only those whose finalizers it has can let it go."""
    return is_terminal(pod) and bool(pod.metadata.finalizers)


def orphaned(pod: Pod, now: float) -> PodCondition:
    """What is told of a pod whose node is gone."""
    return PodCondition(
        type="DisruptionTarget",
        status="True",
        observed_generation=pod.metadata.generation,
        reason="DeletionByPodGC",
        message="PodGC: node no longer exists",
        last_transition_time=format_time(now),
    )


def build(env: Environment) -> Controller[str]:
    """One key: a round over the pods in question, at changes of nodes and every 20 seconds while anything is
    suspicious."""
    missing: dict[str, float] = {}

    async def reconcile(key: str, client: Client) -> None:
        known = {n.metadata.name: n for n in nodes.list()}
        absent = await _absent(client, known)
        in_question = [*pods.by_index(BY_STATE, FINISHED), *pods.by_index(BY_STATE, ENDING)]
        in_question += [p for name in absent for p in pods.by_index(BY_NODE, name) if not by_state(p)]
        for doomed in decide(in_question, known, absent, env.settings.terminated_pod_threshold):
            # One pod that cannot be removed must not keep the others; the next round tries it again.
            meta = doomed.pod.metadata
            await controller.part(f"{meta.namespace}/{meta.name}", _collect(client, doomed, env.clock.now()))
        if missing or len(pods) > env.settings.terminated_pod_threshold or _suspicious():
            controller.queue.add_after(ROUND, env.settings.pod_gc_period)

    def _suspicious() -> bool:
        return any(out_of_service(n) for n in nodes.list())

    async def _absent(client: Client, known: Mapping[str, Node]) -> set[str]:
        """Nodes that pods name and that have been missing for the quarantine, checked with the server."""
        now = env.clock.monotonic()
        named = pods.index_values(BY_NODE) - known.keys()
        for name in missing.keys() - named:
            del missing[name]
        found: set[str] = set()
        for name in named:
            since = missing.setdefault(name, now)
            if now - since >= NODE_QUARANTINE:
                await controller.part(name, _look_for(client, name, found))
        return found

    def pod_changed(old: Pod | None, new: Pod | None) -> tuple[str, ...]:
        if new is None:
            return ()
        if new.metadata.deletion_timestamp is not None and not new.spec.node_name:
            controller.queue.add_after(ROUND, PATIENCE)
        lost = bool(new.spec.node_name) and old is None and nodes.synced and nodes.get(new.spec.node_name) is None
        return (ROUND,) if lost else ()

    def node_changed(old: Node | None, new: Node | None) -> tuple[str, ...]:
        return (ROUND,) if new is None or out_of_service(new) else ()

    controller = env.controller("pod-garbage-collector-controller", IDENTITY, reconcile, workers=1)
    nodes = controller.on(Node, node_changed)
    pods = controller.on(Pod, pod_changed)
    pods.add_index(BY_NODE, by_node)
    pods.add_index(BY_STATE, by_state)
    controller.queue.add(ROUND)
    return controller


async def _look_for(client: Client, node: str, absent: set[str]) -> None:
    """Add `node` to `absent` if the server does not have it."""
    try:
        await client.get(Node, node)
    except StatusError as error:
        if error.code != GONE:
            raise
        absent.add(node)


async def _collect(client: Client, doomed: Doomed, now: float) -> None:
    pod = doomed.pod
    meta = pod.metadata
    if not is_terminal(pod):
        condition = orphaned(pod, now) if doomed.orphaned else None
        await pod_control.patch_status(client, pod, phase=FAILED, condition=condition)
    await client.delete(Pod, meta.name, meta.namespace, uid=meta.uid, grace_period_seconds=0)
