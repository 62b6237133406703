"""The shell of one pod's machine: gives it events, and sees to it that what it says is done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import msgspec

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet.configs import kind_of
from pilothouse.kubelet.podworker import events, instructions, resizes
from pilothouse.kubelet.podworker.conditions import is_own
from pilothouse.kubelet.podworker.machine import PodMachine
from pilothouse.kubelet.podworker.state import PendingResize, Stage
from pilothouse.kubelet.podworker.status import NodeFacts, compute
from pilothouse.kubelet.probes.prober import Subject
from pilothouse.kubelet.sync.actions import Actions
from pilothouse.kubelet.sync.shop import Shop
from pilothouse.machinery.backoff import Backoff
from pilothouse.machinery.client.interface import CLIENT_ERRORS
from pilothouse.semantics.requests import compute_qos

log = logging.getLogger(__name__)


class PodWorker:
    """One pod on this node, from its first sight to its end. Not for use before `begin`."""

    def __init__(self, pod: Pod, shop: Shop) -> None:
        granted, pending = resizes.resume(pod)
        self.machine = PodMachine(granted)
        self.machine.state.pending_resize = pending
        self._newest = pod
        self._shop = shop
        self._wake: asyncio.Task[None] | None = None
        self.actions = Actions(self.machine, shop, self.post)
        self.machine.state.started_at = shop.clock.now()

    @property
    def pod(self) -> Pod:
        return self.machine.state.pod

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    def post(self, event: events.Event) -> None:
        """Take in an event; never waits."""
        for instruction in self.machine.handle(event, self._shop.clock.now()):
            if not self.actions.do(instruction):
                _OWN[type(instruction)](self, instruction)

    def pod_changed(self, pod: Pod) -> None:
        """The API shows a newer object. Of its status only what others wrote counts: ours is what we know."""
        self._shop.statuses.seen(pod)
        self._newest = pod
        state, mine = self.machine.state, self.pod.status
        own = [c for c in mine.conditions if is_own(state, c)]
        foreign = [c for c in pod.status.conditions if not is_own(state, c)]
        status = msgspec.structs.replace(mine, conditions=(*own, *foreign), resize=pod.status.resize)
        self.post(events.PodChanged(self._granted(msgspec.structs.replace(pod, status=status))))

    def retry_resize(self) -> None:
        """There may be room now for what the pod asks for."""
        if self.machine.state.pending_resize is not None:
            self.pod_changed(self._newest)

    def _granted(self, pod: Pod) -> Pod:
        """The pod with what the node can give it: all it asks for, or what it has had."""
        state, held = self.machine.state, resizes.resources(self.pod.spec)
        if resizes.resources(pod.spec) == held:
            state.pending_resize = None
            return pod
        no = self._shop.resize(pod) if state.stage is Stage.SYNCING else None
        if no is None:
            state.pending_resize = None
            self._shop.recorder.pod(pod, "Normal", "ResizeStarted", resizes.message("started", pod))
            return pod
        waited = state.pending_resize
        since = self._shop.clock.now() if waited is None else waited.since
        pending = PendingResize(no.reason, no.message, since)
        if pending != state.pending_resize:
            text = resizes.message(no.reason, pod, no.message)
            self._shop.recorder.pod(pod, "Warning", f"Resize{no.reason}", text)
        state.pending_resize = pending
        return resizes.with_resources(pod, held)

    def quiet(self) -> bool:
        """Whether nothing is under way, so that a view of the runtime is the whole truth."""
        state = self.machine.state
        return not (state.sandbox_busy or state.starting or state.killing) and self.actions.idle()

    def _spawn(self, work: Any, what: str) -> asyncio.Task[None]:
        return self._shop.scope.spawn(work, f"{what}/{self.pod.metadata.name}")

    def _probe(self, wanted: instructions.ProbeContainer) -> None:
        spec = self.machine.state.spec_of(wanted.name)
        if spec is None:
            return

        def ip() -> str:
            ips = self.actions.ips(self.machine.state.sandbox())
            return ips[0] if ips else ""

        subject = Subject(self.pod, spec, wanted.container_id, ip, self.post)
        self._shop.prober.start(subject, started=wanted.started, ready=wanted.ready)

    def _stop_probes(self, wanted: instructions.StopProbes) -> None:
        self._shop.prober.stop(wanted.container_id)

    def _record(self, wanted: instructions.Record) -> None:
        self._shop.recorder.pod(self.pod, wanted.type, wanted.reason, wanted.message, wanted.container)

    def _count(self, seen: instructions.CountTermination) -> None:
        spec = self.machine.state.spec_of(seen.name)
        kind = {"init": "init_container", "sidecar": "init_container", "ephemeral": "ephemeral_container"}
        told = "container" if spec is None else kind.get(kind_of(self.pod, spec), "container")
        self._shop.terminated(told, seen.exit_code, seen.reason)

    def _report(self, _: instructions.ReportStatus) -> None:
        state = self.machine.state
        if not state.rebuilt or state.removed:
            return
        facts = NodeFacts(
            (self._shop.node.options.address,),
            recursive_read_only=self._shop.node.features().recursive_read_only(""),
        )
        status = compute(state, facts, compute_qos(state.spec), self._shop.clock.now())
        own = tuple(c for c in status.conditions if is_own(state, c))
        self._shop.statuses.put(state.pod, msgspec.structs.replace(status, conditions=own))
        state.pod = msgspec.structs.replace(state.pod, status=status)

    def _finish_deletion(self, _: instructions.FinishDeletion) -> None:
        self._spawn(self._delete(), "delete")

    async def _delete(self) -> None:
        meta = self.pod.metadata
        backoff = Backoff(self._shop.clock, self._shop.chance)
        while True:
            await self._shop.statuses.flush(meta.uid)
            try:
                await self._shop.client.delete(Pod, meta.name, meta.namespace, grace_period_seconds=0, uid=meta.uid)
                return
            except StatusError as error:
                if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                    return
                log.warning("pod %s/%s is not deleted: %s", meta.namespace, meta.name, error)
            except CLIENT_ERRORS as error:
                log.info("pod %s/%s is not deleted yet: %s", meta.namespace, meta.name, error)
            await backoff.wait()

    def _wake_at(self, wanted: instructions.Wake) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._spawn(self._sleep(wanted.at), "wake")

    async def _sleep(self, at: float) -> None:
        await self._shop.clock.sleep(at - self._shop.clock.now())
        self._wake = None
        self.post(events.TimeReached())

    def _forget(self, _: instructions.Forget) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._shop.statuses.forget(self.uid)
        self._spawn(self._shop.place.remove_logs(self.pod), "logs")
        self._shop.over(self.uid)


_OWN: dict[type, Callable[[PodWorker, Any], None]] = {
    instructions.ProbeContainer: PodWorker._probe,
    instructions.StopProbes: PodWorker._stop_probes,
    instructions.Record: PodWorker._record,
    instructions.CountTermination: PodWorker._count,
    instructions.ReportStatus: PodWorker._report,
    instructions.FinishDeletion: PodWorker._finish_deletion,
    instructions.Wake: PodWorker._wake_at,
    instructions.Forget: PodWorker._forget,
}
