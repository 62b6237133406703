"""Drives a pod's machine by hand: time is a number, every instruction is looked at."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from pilothouse.api.types.core.v1 import Pod, PodStatus
from pilothouse.kubelet.podworker import events, instructions
from pilothouse.kubelet.podworker.machine import PodMachine
from pilothouse.kubelet.podworker.state import Stage
from pilothouse.kubelet.podworker.status import NodeFacts, compute
from tests.kubelet.pods import pod, run, sandbox

Said = TypeVar("Said")


class Driver:
    def __init__(self, subject: Pod | None = None, now: float = 1000.0) -> None:
        self.machine = PodMachine(subject or pod())
        self.machine.state.started_at = now
        self.now = now
        self.said: list[instructions.Instruction] = []

    def handle(self, event: events.Event) -> list[instructions.Instruction]:
        """All it says to one event."""
        return self.machine.handle(event, self.now)

    def post(self, *given: events.Event) -> list[instructions.Instruction]:
        """What it says to these events, without status reports, alarms, counts and ends of probing."""
        noise = (
            instructions.ReportStatus,
            instructions.Wake,
            instructions.StopProbes,
            instructions.CountTermination,
        )
        self.said = []
        for event in given:
            self.said += [i for i in self.machine.handle(event, self.now) if not isinstance(i, noise)]
            state = self.machine.state
            if state.rebuilt:
                state.pod = msgspec.structs.replace(state.pod, status=self.status())
        return self.said

    def after(self, seconds: float) -> list[instructions.Instruction]:
        """What it says when that time has passed."""
        self.now += seconds
        return self.post(events.TimeReached())

    def begin(self) -> list[instructions.Instruction]:
        """As far as its first containers: volumes mounted, sandbox up."""
        self.post(events.RuntimeSeen((), ()), events.VolumesMounted())
        return self.post(events.SandboxStarted(sandbox()))

    def running(self, *names: str) -> list[instructions.Instruction]:
        """Begun, and these containers started, one after the other."""
        self.begin()
        found: list[instructions.Instruction] = []
        for name in names or ("c",):
            found += self.post(events.ContainerStarted(run(name)))
        return found

    @property
    def stage(self) -> Stage:
        return self.machine.stage

    def status(self) -> PodStatus:
        return compute(self.machine.state, NodeFacts(("192.0.2.1",)), "Burstable", self.now)


def of_type(kind: type[Said], said: list[instructions.Instruction]) -> list[Said]:
    return [i for i in said if isinstance(i, kind)]


def started(said: list[instructions.Instruction]) -> list[tuple[str, int]]:
    """(container, attempt) of every start asked for."""
    return [(i.name, i.attempt) for i in of_type(instructions.StartContainer, said)]


def killed(said: list[instructions.Instruction]) -> list[tuple[str, int]]:
    """(container id, grace) of every kill asked for."""
    return [(i.container_id, i.grace_seconds) for i in of_type(instructions.KillContainer, said)]
