"""Probing the containers of a node: a task a probe, results to whoever asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.api.types.core.v1 import Pod
from pilothouse.api.types.core.v1 import Probe as ProbeSpec
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.handlers import Actions, Outcome
from pilothouse.kubelet.podworker.events import Probe, ProbeChanged
from pilothouse.kubelet.probes.counting import Counter
from pilothouse.kubelet.recorder import Recorder

# A server needs some milliseconds to listen. Rather than wait a whole period after one early failure, a probe without
# a delay of its own looks again soon; these looks count for nothing but a success, and no event tells of them.
EARLY_LOOKS = (0.02, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is probed. `ip` is asked for each time: a pod in the node's network has the node's."""

    pod: Pod
    container: AnyContainer
    container_id: str
    ip: Callable[[], str]
    tell: Callable[[ProbeChanged], None]


class Prober:
    """Probes from `start` to `stop`."""

    def __init__(self, handlers: Actions, recorder: Recorder, clock: Clock, scope: TaskScope) -> None:
        self._handlers = handlers
        self._recorder = recorder
        self._clock = clock
        self._scope = scope
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        # The series of each container, which go with it.
        self._counted: dict[str, set[tuple[str, ...]]] = {}
        self.metrics = Registry()
        labels = ("probe_type", "container", "pod", "namespace", "pod_uid")
        text = "Cumulative number of a liveness, readiness or startup probe for a container by result."
        self._results = self.metrics.counter("prober_probe_total", text, (*labels, "result"))

    def start(self, subject: Subject, *, started: bool, ready: bool) -> None:
        """Begin. With `started`, the startup probe is over; `ready` is what readiness starts from."""
        name = f"probe/{subject.pod.metadata.name}/{subject.container.name}"
        self._tasks[subject.container_id] = [
            self._scope.spawn(self._run(subject, started=started, ready=ready), name),
        ]

    def stop(self, container_id: str) -> None:
        for task in self._tasks.pop(container_id, ()):
            task.cancel()
        for labels in self._counted.pop(container_id, ()):
            self._results.remove(*labels)

    async def _run(self, subject: Subject, *, started: bool, ready: bool) -> None:
        container = subject.container
        if container.startup_probe is not None and not started:
            await self._loop(subject, Probe.STARTUP, container.startup_probe, Counter(None))
        loops = []
        if container.readiness_probe is not None:
            loops.append(self._loop(subject, Probe.READINESS, container.readiness_probe, Counter(ready)))
        if container.liveness_probe is not None:
            loops.append(self._loop(subject, Probe.LIVENESS, container.liveness_probe, Counter(True)))
        tasks = [self._scope.spawn(one, f"probe/{container.name}") for one in loops]
        if subject.container_id in self._tasks:
            self._tasks[subject.container_id] += tasks
        else:
            for task in tasks:
                task.cancel()

    async def _loop(self, subject: Subject, kind: Probe, spec: ProbeSpec, counter: Counter) -> None:
        """Probe every period. A startup probe ends with its first success; startup and liveness probes with the failure
        that ends the container, whose successor gets a prober of its own."""
        await self._clock.sleep(float(spec.initial_delay_seconds))
        early = list(EARLY_LOOKS) if _may_look_early(kind, spec) and counter.standing is not True else []
        while True:
            outcome = await self._probe(subject, spec)
            self._count(subject, kind, outcome)
            if not outcome.success and early:
                await self._clock.sleep(early.pop(0))
                continue
            early.clear()
            if not outcome.success:
                text = f"{kind.value.capitalize()} probe failed: {outcome.output}"
                self._recorder.pod(subject.pod, "Warning", "Unhealthy", text, subject.container.name)
            changed = counter.take(outcome.success, spec)
            if changed is not None:
                subject.tell(ProbeChanged(subject.container_id, kind, changed, outcome.output))
                if (kind is Probe.STARTUP and changed) or (kind is not Probe.READINESS and not changed):
                    return
            await self._clock.sleep(float(spec.period_seconds or 10))

    def _count(self, subject: Subject, kind: Probe, outcome: Outcome) -> None:
        meta = subject.pod.metadata
        labels = (kind.value.capitalize(), subject.container.name, meta.name, meta.namespace, meta.uid)
        series = (*labels, "successful" if outcome.success else "failed")
        self._results.labels(*series).inc()
        self._counted.setdefault(subject.container_id, set()).add(series)

    async def _probe(self, subject: Subject, spec: ProbeSpec) -> Outcome:
        seconds = float(spec.timeout_seconds or 1)
        if spec.exec is not None:
            return await self._handlers.execute(subject.container_id, spec.exec, seconds)
        ip = subject.ip()
        if spec.http_get is not None:
            return await self._handlers.http_get(spec.http_get, subject.container, ip, seconds)
        if spec.tcp_socket is not None:
            return await self._handlers.tcp(spec.tcp_socket, subject.container, ip, seconds)
        if spec.grpc is not None:
            return await self._handlers.grpc(spec.grpc, ip, seconds)
        return Outcome(True)


def _may_look_early(kind: Probe, spec: ProbeSpec) -> bool:
    return kind is not Probe.LIVENESS and spec.exec is None and not spec.initial_delay_seconds
