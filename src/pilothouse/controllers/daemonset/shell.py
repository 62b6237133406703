"""The shell of the DaemonSet controller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.apps.v1 import ControllerRevision, DaemonSet
from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.controllers import history, pod_control
from pilothouse.controllers.daemonset import placement
from pilothouse.controllers.daemonset.decide import BURST, decide, decide_status, roll
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.replicas import next_available
from pilothouse.machinery import claims
from pilothouse.machinery.client import Client
from pilothouse.machinery.controller import Controller, Key, key_of, own_key
from pilothouse.machinery.events import NORMAL, WARNING

IDENTITY = "daemon-set-controller"
FAILED_BASE, FAILED_MOST = 1.0, 900.0
replace = msgspec.structs.replace


class _Shell:
    """The controller's caches, memory of failures, and writes."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.recorder = env.recorder("daemonset-controller", IDENTITY)
        self.failures: dict[tuple[str, str], tuple[int, float]] = {}
        self.controller: Controller[Key] = env.controller("daemonset-controller", IDENTITY, self.reconcile)
        self.sets = self.controller.on(DaemonSet, own_key)
        self.pods = self.controller.needs(Pod)
        pod_control.pods_by_controller(self.pods)
        self.revisions = self.controller.needs(ControllerRevision)
        self.revisions.add_index(claims.INDEX, claims.index)
        self.nodes = self.controller.on(Node, self._node_changed)
        self.controller.on(Pod, pod_control.keys_of_owner("DaemonSet", "apps", self._wanting))
        self.controller.on(ControllerRevision, pod_control.keys_of_owner("DaemonSet", "apps", lambda _: ()))

    def _node_changed(self, old: Node | None, new: Node | None) -> Iterable[Key]:
        for ds in self.sets.list():
            before = placement.belongs(ds, old) if old is not None else (False, False)
            after = placement.belongs(ds, new) if new is not None else (False, False)
            if before != after or new is None:
                yield key_of(ds)

    def _wanting(self, pod: Pod) -> Iterable[Key]:
        for ds in self.sets.list(pod.metadata.namespace):
            try:
                if of_object(ds.spec.selector).matches(pod.metadata.labels):
                    yield key_of(ds)
            except SelectorError:
                continue

    async def reconcile(self, key: Key, client: Client) -> None:
        ds = self.sets.get(key[1], key[0])
        if ds is None:
            return
        try:
            selector = of_object(ds.spec.selector)
        except SelectorError:
            return
        if selector.empty:
            text = "This daemon set is selecting all pods. A non-empty selector is required."
            self.recorder.event(ds, WARNING, "SelectingAll", text)
            return
        pods = await claims.claim(client, ds, selector, self.pods)
        held = await claims.claim(client, ds, selector, self.revisions)
        if ds.metadata.deletion_timestamp is not None:
            return
        current = await history.keep(client, ds, held, (placement.HASH_LABEL,))
        if current is None:
            return
        digest = history.hash_label(current)
        error = await self._manage(ds, pods, digest, client)
        now = self.env.clock.now()
        status = decide_status(ds, self.nodes.list(), pods, digest, now)
        if status != ds.status:
            await client.update(replace(ds, status=status), subresource="status")
        live = {current.metadata.name} | {
            r.metadata.name
            for r in held
            if any(p.metadata.labels.get(placement.HASH_LABEL) == history.hash_label(r) for p in pods)
        }
        await history.truncate(client, held, live, ds.spec.revision_history_limit)
        if error is not None and not pod_control.namespace_ends(error):
            raise error
        wait = next_available(pods, ds.spec.min_ready_seconds, now)
        if wait is not None:
            self.controller.queue.add_after(key, wait)

    async def _manage(self, ds: DaemonSet, pods: list[Pod], digest: str, client: Client) -> BaseException | None:
        now = self.env.clock.now()
        plan = decide(ds, self.nodes.list(), pods, digest, now)
        ended = self._due(ds, plan.failed)
        if not plan.create and not plan.delete and not ended:
            plan = roll(ds, self.nodes.list(), pods, digest, now)
        first = await pod_control.delete_pods(client, ds, [*plan.delete, *ended], self.recorder)
        wanted = [placement.pod_for(ds, node, digest) for node in plan.create[:BURST]]
        _, refused = await pod_control.create_pods(client, ds, wanted, self.recorder)
        return first or next(iter(refused), None)

    def _due(self, ds: DaemonSet, ended: list[Pod]) -> list[Pod]:
        """Those pods that ended and whose node's back-off is over; the others are looked at again later."""
        due = []
        now = self.env.clock.monotonic()
        for pod in ended:
            where = f"{ds.metadata.namespace}/{pod.metadata.name} on node {pod.spec.node_name}"
            if pod.status.phase == "Succeeded":
                text = f"Found succeeded daemon pod {where}, will try to delete it"
                self.recorder.event(ds, NORMAL, "SucceededDaemonPod", text)
                due.append(pod)
                continue
            key = (ds.metadata.uid, pod.spec.node_name)
            count, last = self.failures.get(key, (0, 0.0))
            delay = min(FAILED_BASE * 2.0 ** (count - 1), FAILED_MOST) if count else 0.0
            if now - last > 2 * FAILED_MOST:
                count, delay = 0, 0.0
            if last + delay > now:
                self.controller.queue.add_after(key_of(ds), last + delay - now)
                continue
            self.failures[key] = (count + 1, now)
            self.recorder.event(ds, WARNING, "FailedDaemonPod", f"Found failed daemon pod {where}, will try to kill it")
            due.append(pod)
        return due


def build(env: Environment) -> Controller[Key]:
    """Keys are DaemonSets."""
    return _Shell(env).controller
