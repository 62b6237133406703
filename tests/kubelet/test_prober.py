"""Probing: a liveness or startup probe is on hold once it has failed; its container's successor is probed anew."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import ExecAction
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.handlers import Outcome
from pilothouse.kubelet.podworker.events import Probe, ProbeChanged
from pilothouse.kubelet.probes.prober import Prober, Subject
from pilothouse.testing.clock import VirtualClock
from tests.kubelet.actions import Succeeding
from tests.kubelet.pods import container, pod


class Failing(Succeeding):
    def __init__(self) -> None:
        self.calls = 0

    async def execute(self, container_id: str, action: ExecAction, seconds: float | None) -> Outcome:
        self.calls += 1
        return Outcome(False, "no")


class Silent:
    def pod(self, *_: object) -> None:
        """Nobody reads it."""

    def node(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.mark.parametrize(
    ("field", "kind", "calls"),
    [
        ("livenessProbe", Probe.LIVENESS, 3),
        ("startupProbe", Probe.STARTUP, 3),
        ("readinessProbe", Probe.READINESS, 100),
    ],
)
async def test_it_holds_after_the_failure_that_ends_its_container(
    clock: VirtualClock, field: str, kind: Probe, calls: int
) -> None:
    probe = {"exec": {"command": ["x"]}, "failureThreshold": 3, "periodSeconds": 10}
    subject = pod(container(**{field: probe}))
    handlers, told = Failing(), list[ProbeChanged]()
    async with TaskScope("probes") as scope:
        prober = Prober(handlers, Silent(), clock, scope)
        one = (subject.spec.containers or ())[0]
        prober.start(
            Subject(subject, one, "c-0", lambda: "", told.append), started=kind is not Probe.STARTUP, ready=True
        )
        await clock.sleep(995)
        assert handlers.calls == calls
        assert {(t.probe, t.success) for t in told} == {(kind, False)}
        if kind is not Probe.READINESS:
            assert len(told) == 1
        prober.stop("c-0")
