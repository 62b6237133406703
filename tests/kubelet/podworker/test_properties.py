"""What holds for every pod, whatever happens to it: random lives on a machine with a runtime that obeys or fails."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker import instructions as says
from pilothouse.kubelet.podworker.machine import PodMachine
from pilothouse.kubelet.podworker.state import Stage
from pilothouse.kubelet.podworker.status import NodeFacts, compute
from pilothouse.seams.runtime import Container, ContainerState, Sandbox, SandboxState
from tests.kubelet.pods import container, pod, run, sandbox

POLICIES = st.sampled_from(["Always", "OnFailure", "Never"])
FINAL = ("Succeeded", "Failed")
CHOICES = st.lists(st.integers(0, 999), min_size=1, max_size=120)


class World:
    """A runtime of records; `choose` decides which pending work is done next, and how it ends."""

    def __init__(self, machine: PodMachine) -> None:
        self.machine = machine
        self.now = 1000.0
        self.pending: list[says.Instruction] = []
        self.sandboxes: dict[str, Sandbox] = {}
        self.containers: dict[str, Container] = {}
        self.finishing = False
        self.phases: list[str] = []

    def post(self, event: events.Event) -> None:
        for said in self.machine.handle(event, self.now):
            if isinstance(said, says.StartContainer):
                busy = [p for p in self.pending if isinstance(p, says.StartContainer) and p.name == said.name]
                assert not busy, "a container is started once at a time"
                alive = [c for c in self.containers.values() if c.name == said.name and _alive(c)]
                assert not alive, "never two runs of a container"
                assert f"{said.name}-{said.attempt}" not in self.containers, "no attempt is made twice"
                assert self.sandboxes[said.sandbox_id].state is SandboxState.READY
            if isinstance(said, says.RemoveVolumes | says.FinishDeletion):
                assert not any(map(_alive, self.containers.values())), "nothing runs when volumes go"
            if isinstance(said, says.FinishDeletion):
                self.finishing = True
            if isinstance(said, says.ReportStatus):
                self._report()
            self.pending.append(said)

    def _report(self) -> None:
        state = self.machine.state
        if not state.rebuilt:
            return
        status = compute(state, NodeFacts(("192.0.2.1",)), "Burstable", self.now)
        if self.phases and self.phases[-1] in FINAL:
            assert status.phase == self.phases[-1], "a final phase stays"
        if status.phase in FINAL:
            assert not any(map(_alive, self.containers.values())), "nothing of a finished pod runs"
        assert all(
            sum(bool(x) for x in (s.state.waiting, s.state.running, s.state.terminated)) == 1
            for s in (*status.container_statuses, *status.init_container_statuses)
        )
        self.phases.append(status.phase)
        state.pod = msgspec.structs.replace(state.pod, status=status)

    def step(self, choice: int) -> None:
        """One thing that can happen."""
        self.now += choice % 7
        alive = [c for c in self.containers.values() if c.state is ContainerState.RUNNING]
        what = choice % 5
        if what == 0 and alive:
            self._exit(alive[choice % len(alive)], choice % 3)
        elif what == 1:
            self.now += choice
            self.post(events.TimeReached())
        elif self.pending:
            self._do(self.pending.pop(choice % len(self.pending)), choice)

    def _exit(self, one: Container, code: int) -> None:
        dead = replace(one, state=ContainerState.EXITED, exit_code=code, finished_at=self.now)
        self.containers[one.id] = dead
        self.post(events.ContainerSeen(dead))

    def _do(self, said: says.Instruction, choice: int) -> None:
        fails = choice % 11 == 0
        if isinstance(said, says.MountVolumes):
            self.post(events.VolumesFailed("x") if fails else events.VolumesMounted())
        elif isinstance(said, says.StartSandbox):
            if fails:
                self.post(events.SandboxFailed("x"))
            else:
                made = sandbox(f"s{said.attempt}", said.attempt)
                self.sandboxes[made.id] = made
                self.post(events.SandboxStarted(made))
        elif isinstance(said, says.StartContainer):
            if fails:
                self.post(events.ContainerFailed(said.name, "ErrImagePull", "x", 1.0))
            else:
                made_run = run(said.name, attempt=said.attempt, in_sandbox=said.sandbox_id)
                self.containers[made_run.id] = made_run
                self.post(events.ContainerStarted(made_run))
        elif isinstance(said, says.KillContainer):
            one = self.containers[said.container_id]
            if _alive(one):
                one = replace(one, state=ContainerState.EXITED, exit_code=137, finished_at=self.now)
                self.containers[one.id] = one
            self.post(events.ContainerStopped(one.id, one))
        elif isinstance(said, says.StopSandbox):
            self._stop_sandbox(said.sandbox_id)
        elif isinstance(said, says.RemoveVolumes):
            self.post(events.VolumesRemoved())

    def _stop_sandbox(self, identity: str) -> None:
        for one in [c for c in self.containers.values() if c.sandbox_id == identity and _alive(c)]:
            dead = replace(one, state=ContainerState.EXITED, exit_code=137, finished_at=self.now)
            self.containers[one.id] = dead
            self.post(events.ContainerStopped(one.id, dead))
        self.sandboxes[identity] = replace(self.sandboxes[identity], state=SandboxState.NOT_READY)
        self.post(events.SandboxStopped(identity))

    def settle(self) -> None:
        """Do all that is pending, without failures, until nothing is."""
        for _ in range(500):
            if not self.pending or self.finishing:
                return
            self._do(self.pending.pop(0), 1)


def _alive(one: Container) -> bool:
    return one.state is ContainerState.RUNNING


RESTART_ALL = {
    "restartPolicy": "Never",
    "restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [2]}}],
}


@given(POLICIES, st.booleans(), st.booleans(), st.booleans(), CHOICES)
@settings(max_examples=60, deadline=None)
def test_any_life_ends_well(policy: str, init: bool, sidecar: bool, rule: bool, choices: list[int]) -> None:
    inits = [container("init")] if init else []
    inits += [container("side", restartPolicy="Always")] if sidecar else []
    subject = pod(
        container("a", **(RESTART_ALL if rule else {})), container("b"), initContainers=inits, restartPolicy=policy
    )
    world = World(PodMachine(subject))
    world.post(events.RuntimeSeen((), ()))
    for choice in choices:
        world.step(choice)
    meta = msgspec.structs.replace(
        world.machine.state.pod.metadata, deletion_timestamp="2026-01-01T00:00:00Z", deletion_grace_period_seconds=5
    )
    world.post(events.PodChanged(msgspec.structs.replace(world.machine.state.pod, metadata=meta)))
    world.settle()
    assert world.finishing, "a deleted pod comes to its end"
    assert world.phases[-1] in FINAL
    world.post(events.PodRemoved())
    assert world.machine.stage is Stage.OVER
