"""The shell: takes pods from the queue one by one, decides, and binds in the background."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit import guard
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client import Client, StrategicMergePatch
from pilothouse.machinery.client.interface import CLIENT_ERRORS
from pilothouse.machinery.events import NORMAL, WARNING, Recorder
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler.decide import decide
from pilothouse.scheduler.framework import Cycle, Diagnosis, Framework, Refused
from pilothouse.scheduler.plugins.registry import Surroundings, default_framework
from pilothouse.scheduler.queue import Queue, Queued
from pilothouse.scheduler.reporting import SCHEDULER_ERROR, UNSCHEDULABLE, event_message, status_patch
from pilothouse.scheduler.snapshot import PodInfo, Snapshot
from pilothouse.scheduler.surroundings import Budgets, InformedCatalog, OwnSelectors
from pilothouse.scheduler.watching import Watching

log = logging.getLogger(__name__)
# Others get the loop after so many seconds of deciding.
TURN_SECONDS = 0.004
MAX_BINDING = 128
FLUSH_SECONDS = 30.0
NOT_FOUND = 404


@dataclass
class Counters:
    """What happened so far; metrics read it. Times are sums of seconds."""

    attempts: int = 0
    scheduled: int = 0
    unschedulable: int = 0
    errors: int = 0
    deciding_seconds: float = 0.0


class Scheduler:
    """Gives nodes to the pods that ask for the scheduler `name`."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        clock: Clock,
        chance: Chance,
        recorder: Recorder,
        *,
        name: str = "default-scheduler",
    ) -> None:
        self.counters = Counters()
        self._client = client
        self._informers = informers
        self._clock = clock
        self._chance = chance
        self._recorder = recorder
        self._announced: dict[str, str] = {}
        """Nodes that pods (by uid) were announced for while their binding takes its time."""
        self._work = asyncio.Event()
        self._ready = asyncio.Event()
        self._slot = asyncio.Semaphore(MAX_BINDING)
        self._scope = TaskScope(name, on_failure=lambda task, error: None)
        self.watching, self.framework = self._assemble(name)

    def _assemble(self, name: str) -> tuple[Watching, Framework]:
        clock, informers = self._clock, self._informers
        watching = Watching(name, Snapshot(), Queue(), clock.monotonic, self._work.set)
        framework = default_framework(
            Surroundings(
                self._client,
                clock,
                self._chance,
                self._recorder,
                watching.nominations,
                InformedCatalog(informers),
                Budgets(informers),
                OwnSelectors(informers),
            )
        )
        watching.queue.concern(framework.plugins.values())
        return watching, framework

    async def wait_ready(self) -> None:
        """Return when everything is known and pods are being scheduled."""
        await self._ready.wait()

    async def run(self) -> None:
        """Schedule until cancelled."""
        self.watching.listen(self._informers)
        await self._informers.wait_synced()
        self._ready.set()
        async with self._scope as scope:
            scope.spawn(self._flush(), "flush")
            while True:
                await self._turn()
                await self._wait()

    async def _turn(self) -> None:
        """Try pods until none is ready."""
        queue = self.watching.queue
        begun = self._clock.monotonic()
        while (queued := queue.pop(self._clock.monotonic())) is not None:
            await self._slot.acquire()
            self._slot.release()
            info = queued.info
            failure = await guard.result("scheduling", f"{info.namespace}/{info.name}", self._try(queued))
            if failure is not None:
                self._bind_error(queued, failure)
            if self._clock.monotonic() - begun > TURN_SECONDS:
                await self._clock.sleep(0)
                begun = self._clock.monotonic()

    async def _wait(self) -> None:
        ready = self.watching.queue.next_time()
        seconds = None if ready is None else max(ready - self._clock.monotonic(), 0.0)
        try:
            async with self._clock.timeout(seconds):
                await self._work.wait()
        except TimeoutError:
            return
        self._work.clear()

    async def _flush(self) -> None:
        while True:
            await self._clock.sleep(FLUSH_SECONDS)
            self.watching.queue.flush_stuck(self._clock.monotonic())
            self._work.set()

    async def _try(self, queued: Queued) -> None:
        watching, info = self.watching, queued.info
        self.counters.attempts += 1
        begun = self._clock.monotonic()
        cycle = Cycle(info, watching.snapshot)
        decision = decide(self.framework, cycle, watching.nominations, self._chance.below)
        self.counters.deciding_seconds += self._clock.monotonic() - begun
        if not decision.node:
            assert decision.diagnosis is not None
            await self._turned_down(queued, cycle, decision.diagnosis)
            return
        refused = self.framework.reserve(cycle, decision.node)
        if refused is not None:
            self._failed(queued, refused)
            return
        watching.snapshot.put_pod(info, decision.node)
        watching.assumed.add(info.uid)
        await self._slot.acquire()
        self._scope.spawn(self._bind(queued, cycle, decision.node), "bind")

    async def _turned_down(self, queued: Queued, cycle: Cycle, diagnosis: Diagnosis) -> None:
        self.counters.unschedulable += 1
        promised = await self.framework.post_filter(cycle, diagnosis) if diagnosis.nodes else ""
        info, watching = queued.info, self.watching
        if promised is not None:
            watching.nominations.put(info, promised)
        watching.queue.failed(queued, diagnosis.plugins or _NO_NODES, self._clock.monotonic())
        self._report(info, UNSCHEDULABLE, diagnosis.message(), promised)

    def _failed(self, queued: Queued, refused: Refused) -> None:
        """Turned down after a node was found, which is no longer promised then."""
        self.counters.unschedulable += 1
        self.watching.nominations.drop(queued.info.uid)
        self.watching.queue.failed(queued, (refused.plugin,), self._clock.monotonic())
        self._report(queued.info, UNSCHEDULABLE, refused.reason, "")

    async def _bind(self, queued: Queued, cycle: Cycle, node: str) -> None:
        try:
            failure = await guard.result("scheduler plugin", queued.info.name, self._ask_api(cycle, node))
        finally:
            self._slot.release()
        info = queued.info
        if failure is None:
            self._announced.pop(info.uid, None)
            self.counters.scheduled += 1
            self.watching.queue.done(queued)
            self.watching.nominations.drop(info.uid)
            text = f"Successfully assigned {info.namespace}/{info.name} to {node}"
            self._recorder.event(info.pod, NORMAL, "Scheduled", text)
            return
        self._give_back(info, cycle, node)
        if isinstance(failure, Refused):
            self._failed(queued, failure)
        else:
            self._bind_error(queued, failure)
        self._work.set()

    async def _ask_api(self, cycle: Cycle, node: str) -> Refused | Exception | None:
        """None once the pod is bound; an expected failure is answered as a refusal is."""
        if self.framework.binding_takes_time(cycle, node) and cycle.pod.pod.status.nominated_node_name != node:
            # Whoever plans with nodes (an autoscaler) must know that this one will be used.
            self._announced[cycle.pod.uid] = node
            await self._patch(cycle.pod, {"status": {"nominatedNodeName": node}})
        try:
            return await self.framework.permit(cycle, node) or await self.framework.bind(cycle, node)
        except CLIENT_ERRORS as error:
            return error

    def _give_back(self, info: PodInfo, cycle: Cycle, node: str) -> None:
        self.framework.unreserve(cycle, node)
        if info.uid in self.watching.assumed:
            self.watching.assumed.discard(info.uid)
            self.watching.snapshot.drop_pod(info.uid)

    def _bind_error(self, queued: Queued, error: Exception) -> None:
        info = queued.info
        if isinstance(error, StatusError) and error.code == NOT_FOUND:
            self._announced.pop(info.uid, None)
            self.watching.queue.drop(info.uid)
            return
        self.counters.errors += 1
        log.warning("binding %s/%s: %s", info.namespace, info.name, error)
        self.watching.queue.failed(queued, (), self._clock.monotonic())
        self.watching.nominations.drop(info.uid)
        self._report(info, SCHEDULER_ERROR, str(error), "")

    def _report(self, info: PodInfo, reason: str, message: str, promised: str | None) -> None:
        self._recorder.event(info.pod, WARNING, "FailedScheduling", event_message(message))
        pod, announced = info.pod, self._announced.pop(info.uid, None)
        if announced is not None:
            pod = replace(pod, status=replace(pod.status, nominated_node_name=announced))
        patch = status_patch(pod, reason, message, promised, self._clock.now())
        if patch is not None:
            self._scope.spawn(self._patch(info, patch), "status")

    async def _patch(self, info: PodInfo, body: dict[str, object]) -> None:
        try:
            await self._client.patch(Pod, info.name, info.namespace, StrategicMergePatch(body), subresource="status")
        except CLIENT_ERRORS as error:
            log.info("status of %s/%s not told: %s", info.namespace, info.name, error)


# Without any node, a pod waits for one as if these had turned it down.
_NO_NODES = ("NodeResourcesFit", "NodeName")
