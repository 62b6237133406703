"""All that is known of one pod on this node, and the questions its machine asks of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from pilothouse.api.types.core.v1 import Container as ContainerSpec
from pilothouse.api.types.core.v1 import EphemeralContainer, Pod, PodSpec, ResourceRequirements
from pilothouse.kubelet.podworker.restarts import BackOff, is_sidecar
from pilothouse.seams.runtime import Container, ContainerState, Sandbox, SandboxState

AnySpec = ContainerSpec | EphemeralContainer
MINIMUM_GRACE = 1


class Stage(Enum):
    """SYNCING: it is to run. TERMINATING: it is to end. TERMINATED: nothing of it runs or is mounted.
    DELETING: the API was asked to drop it. OVER: forgotten."""

    SYNCING = "syncing"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    DELETING = "deleting"
    OVER = "over"


class Volumes(Enum):
    NONE = 0
    MOUNTING = 1
    MOUNTED = 2
    REMOVING = 3
    REMOVED = 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run, and when it may be tried again."""

    reason: str
    message: str
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Health:
    """What probes have said of a container's present run; both true at once where there is no probe."""

    started: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why the node ends a pod on its own account; `phase` is then always Failed. `disruption`: the pod is not to blame,
    which the condition DisruptionTarget tells its controller."""

    reason: str
    message: str
    grace_seconds: int | None = None
    disruption: bool = False


@dataclass(frozen=True, slots=True)
class PendingResize:
    """Why the node does not grant what the pod now asks for: Deferred (others have it) or Infeasible (it has less), and
    since when it waits."""

    reason: str
    message: str
    since: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Resize:
    """A resize that was granted. `acting`: it is being carried out; `shown`: it was not through when last looked at;
    `error`: why it failed, "" if it has not, and when to try again; `generation`: that of the spec that asks for it."""

    acting: bool = False
    shown: bool = False
    error: str = ""
    retry_at: float = 0.0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Kill:
    """A container's end under way: the clock time at which it is over, and whether it still waits for its turn."""

    deadline: float
    waits: bool = False


@dataclass(slots=True)
class PodState:
    """Mutable, owned by one machine."""

    pod: Pod
    stage: Stage = Stage.SYNCING
    removed: bool = False
    verdict: Verdict | None = None
    rejected: bool = False
    rebuilt: bool = False
    stocked: bool = False
    volumes: Volumes = Volumes.NONE
    volumes_retry: float = 0.0
    volumes_failures: int = 0
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    sandbox_busy: bool = False
    sandbox_retry: float = 0.0
    containers: dict[str, Container] = field(default_factory=dict)
    starting: set[str] = field(default_factory=set)
    killing: dict[str, Kill] = field(default_factory=dict)
    replacing: set[str] = field(default_factory=set)
    stopping_sandboxes: set[str] = field(default_factory=set)
    health: dict[str, Health] = field(default_factory=dict)
    held_to: dict[str, ResourceRequirements] = field(default_factory=dict)
    """What running containers are held to, by id, limits that they have from the pod included."""
    cgroup: Mapping[str, ResourceRequirements] | None = None
    """What the pod's own cgroup is held to (`resizes.Granted`); None before it is made."""
    resize: Resize = field(default_factory=Resize)
    pending_resize: PendingResize | None = None
    restarting_all: bool = False
    """All its containers are being ended, to be started anew."""
    attempts: dict[str, int] = field(default_factory=dict)
    """The last attempt of containers whose runs were forgotten for that."""
    discarded: set[str] = field(default_factory=set)
    """Those runs, as long as the runtime may still show them."""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    back_off: dict[str, BackOff] = field(default_factory=dict)
    deadline: float | None = None
    granted: int = 0
    started_at: float = 0.0

    @property
    def spec(self) -> PodSpec:
        return self.pod.spec

    def sandbox(self) -> Sandbox | None:
        """The sandbox that the pod's containers belong in: the newest that is ready."""
        ready = [s for s in self.sandboxes.values() if s.state is SandboxState.READY]
        return max(ready, key=lambda s: (s.attempt, s.created_at), default=None)

    def runs(self, name: str) -> list[Container]:
        """Every run of a container the runtime still knows, the latest last."""
        return sorted((c for c in self.containers.values() if c.name == name), key=lambda c: (c.attempt, c.created_at))

    def latest(self, name: str) -> Container | None:
        return max(
            (c for c in self.containers.values() if c.name == name),
            key=lambda c: (c.attempt, c.created_at),
            default=None,
        )

    def current(self, name: str) -> Container | None:
        """The latest run of a container in the present sandbox."""
        sandbox, latest = self.sandbox(), self.latest(name)
        return latest if latest and sandbox and latest.sandbox_id == sandbox.id else None

    def running(self) -> list[Container]:
        return [c for c in self.containers.values() if c.state is ContainerState.RUNNING]

    def started(self, container: Container) -> bool:
        """Whether its startup probe has passed (or there is none)."""
        health = self.health.get(container.id)
        return container.state is ContainerState.RUNNING and health is not None and health.started

    def spec_of(self, name: str) -> AnySpec | None:
        everything: tuple[AnySpec, ...] = (
            *self.spec.init_containers,
            *(self.spec.containers or ()),
            *self.spec.ephemeral_containers,
        )
        return next((c for c in everything if c.name == name), None)

    def sidecars(self) -> list[ContainerSpec]:
        return [c for c in self.spec.init_containers if is_sidecar(c)]

    def initialized(self) -> bool:
        """Whether every init container has done its part in the present sandbox. Once a regular container was made
        there, init containers may have been forgotten."""
        if any(self.current(c.name) for c in self.spec.containers or ()):
            return True
        if self.sandbox() is None:
            return False
        for spec in self.spec.init_containers:
            run = self.current(spec.name)
            if run is None:
                return False
            done = self.started(run) if is_sidecar(spec) else succeeded(run)
            if not done:
                return False
        return True

    def deletion_requested(self) -> bool:
        return self.removed or self.pod.metadata.deletion_timestamp is not None

    def between_runs(self) -> bool:
        """Whether a container that was ended for another to take its place is being started again. To end and to start
        is one step to the API: what was told of the pod stays until the step is through."""
        if not self.resize.acting:
            self.replacing &= self.starting
        return self.stage is Stage.SYNCING and bool(self.replacing)

    def grace(self) -> int:
        """Seconds its containers have to end: the least that the API or the node asked for, else what its spec says."""
        asked = [self.pod.metadata.deletion_grace_period_seconds, self.verdict.grace_seconds if self.verdict else None]
        given = min((seconds for seconds in asked if seconds is not None), default=None)
        if given is None:
            given = self.spec.termination_grace_period_seconds
        return max(30 if given is None else given, MINIMUM_GRACE)


def exited(container: Container) -> bool:
    return container.state is ContainerState.EXITED


def succeeded(container: Container) -> bool:
    return exited(container) and container.exit_code == 0


_RANK = {
    ContainerState.CREATED: 0,
    ContainerState.UNKNOWN: 1,
    ContainerState.RUNNING: 2,
    ContainerState.EXITED: 3,
}


def newer(known: Container | None, seen: Container) -> bool:
    """Whether `seen` may replace what is known: views arrive out of order, but a container only moves forward."""
    return known is None or _RANK[seen.state] >= _RANK[known.state]
