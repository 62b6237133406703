"""However a pod comes to its end, and whatever else happens meanwhile: each container is ended once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker import instructions as says
from pilothouse.kubelet.podworker.machine import PodMachine
from pilothouse.kubelet.podworker.state import Stage
from pilothouse.seams.runtime import Container, ContainerState
from tests.kubelet.pods import container, ended, pod, run, sandbox

GRACE = 30
PROBE = {"tcpSocket": {"port": 80}}


@dataclass
class Ending:
    """A running pod, the ends that its machine asked for, and when each is due."""

    mains: int
    sidecars: int
    now: float = 1000.0
    alive: dict[str, Container] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    said: list[says.Instruction] = field(default_factory=list)
    granted: float = float("inf")

    def __post_init__(self) -> None:
        sides = [container(f"s{i}", restartPolicy="Always") for i in range(self.sidecars)]
        mains = [container(f"c{i}", livenessProbe=PROBE) for i in range(self.mains)]
        self.machine = PodMachine(pod(*mains, initContainers=sides, terminationGracePeriodSeconds=GRACE))
        self.post(events.RuntimeSeen((), ()))
        self.post(events.VolumesMounted())
        self.post(events.SandboxStarted(sandbox()))
        for name in [c["name"] for c in (*sides, *mains)]:
            self.alive[f"{name}-0"] = run(name)
            self.post(events.ContainerStarted(run(name)))

    def post(self, event: events.Event) -> None:
        for said in self.machine.handle(event, self.now):
            self.said.append(said)
            if isinstance(said, says.KillContainer):
                assert said.container_id not in self.due, "a kill is begun once"
                self.due[said.container_id] = self.now + said.grace_seconds
                if said.in_turn:
                    self.waiting.add(said.container_id)
            elif isinstance(said, says.ShortenGrace):
                assert self.now + said.grace_seconds < self.due[said.container_id], "time only becomes less"
                self.due[said.container_id] = self.now + said.grace_seconds
            elif isinstance(said, says.TakeTurn):
                self._turn(said.container_id)
            elif isinstance(said, says.StopSandbox | says.RemoveVolumes):
                assert not self.alive, "what containers stand on stays as long as they do"

    def _turn(self, identity: str) -> None:
        self.waiting.remove(identity)
        number = int(identity[1 : identity.index("-")])
        later = {f"s{i}-0" for i in range(number + 1, self.sidecars)}
        assert not [i for i in self.alive if i.startswith("c") or i in later], "sidecars go last, in reverse order"

    def end(self, grace: int | None, *, removed: bool = False) -> None:
        """The API wants it gone, with this grace."""
        meta = self.machine.state.pod.metadata
        if grace is not None:
            before = meta.deletion_grace_period_seconds
            grace = grace if before is None else min(grace, before)
        meta = msgspec.structs.replace(
            meta, deletion_timestamp="2026-01-01T00:00:00Z", deletion_grace_period_seconds=grace
        )
        self.granted = min(self.granted, self.now + max(GRACE if grace is None else grace, 1))
        self.post(events.PodChanged(msgspec.structs.replace(self.machine.state.pod, metadata=meta)))
        if removed:
            self.post(events.PodRemoved())

    def exit(self, choice: int) -> None:
        if self.alive:
            identity = sorted(self.alive)[choice % len(self.alive)]
            gone = self.alive.pop(identity)
            dead = ended(gone.name, 143, finished=self.now)
            self.post(events.ContainerStopped(identity, dead) if choice % 2 else events.ContainerSeen(dead))


def annotated(one: Ending, choice: int) -> None:
    meta = msgspec.structs.replace(one.machine.state.pod.metadata, annotations={"n": str(choice)})
    one.post(events.PodChanged(msgspec.structs.replace(one.machine.state.pod, metadata=meta)))


def seen_again(one: Ending, choice: int) -> None:
    for present in one.alive.values():
        one.post(events.ContainerSeen(present) if choice % 2 else events.ContainerStopped(present.id, present))


def evicted(one: Ending, choice: int) -> None:
    grace = choice % 40
    one.granted = min(one.granted, one.now + max(grace, 1))
    one.post(events.PodEvicted("Evicted", "low on memory", grace))


ANY: list[Callable[[Ending, int], None]] = [
    annotated,
    seen_again,
    evicted,
    lambda one, choice: one.end(choice % 40),
    lambda one, choice: one.end(choice % 40, removed=True),
    lambda one, choice: one.exit(choice),
    lambda one, choice: one.post(events.TimeReached()),
    lambda one, choice: one.post(events.VolumesChanged()),
    lambda one, choice: one.post(events.SandboxSeen(sandbox())),
    lambda one, choice: one.post(events.ContainerResized("c0-0", one.machine.state.spec.containers[0].resources)),
    lambda one, choice: one.post(events.ProbeChanged("c0-0", events.Probe.LIVENESS, choice % 3 == 0, "x")),
    lambda one, choice: one.post(events.ProbeChanged("c0-0", events.Probe.READINESS, choice % 2 == 0, "x")),
]


@given(
    st.integers(1, 3),
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, len(ANY) - 1), st.integers(0, 999), st.floats(0, 9)), max_size=40),
)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_each_container_is_ended_once_and_in_time(
    mains: int, sidecars: int, happenings: list[tuple[int, int, float]]
) -> None:
    one = Ending(mains, sidecars)
    one.end(GRACE)
    assert set(one.due) == set(one.alive), "all hear of it at once"
    for what, choice, later in happenings:
        one.now += later
        ANY[what](one, choice)
        for identity in one.alive:
            assert one.due[identity] <= one.granted + 1e-6
    while one.alive:
        one.exit(0)
    assert not [k for k in one.said if isinstance(k, says.TakeTurn) and k.container_id in one.waiting]
    one.post(events.SandboxStopped("s0"))
    one.post(events.VolumesRemoved())
    one.post(events.PodRemoved())
    assert one.machine.stage is Stage.OVER


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.1, 9)), max_size=20))
@settings(max_examples=50, deadline=None)
def test_no_kill_is_begun_again_when_the_runtime_is_behind(happenings: list[tuple[int, float]]) -> None:
    """A view of the container as running, taken before its end and seen after it, begins nothing."""
    one = Ending(1, 0)
    one.end(GRACE)
    for what, later in happenings:
        one.now += later
        stale = replace(run("c0"), state=ContainerState.RUNNING)
        one.post((events.ContainerSeen(stale), events.ContainerStopped("c0-0", stale), events.TimeReached())[what])
    one.exit(1)
    one.post(events.ContainerSeen(run("c0")))
    assert sum(isinstance(s, says.KillContainer) for s in one.said) == 1
