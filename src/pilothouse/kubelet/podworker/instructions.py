"""What a pod's machine asks its shell to do. Each is answered by the event its docstring names, unless it says none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MountVolumes:
    """VolumesMounted or VolumesFailed."""


@dataclass(frozen=True, slots=True)
class RemoveVolumes:
    """Unmount volumes, delete the pod's folder, remove its cgroup: VolumesRemoved."""


@dataclass(frozen=True, slots=True)
class StartSandbox:
    """SandboxStarted or SandboxFailed."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """SandboxStopped."""

    sandbox_id: str


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Fetch the image, create, start, run postStart: ContainerStarted or ContainerFailed."""

    name: str
    attempt: int
    sandbox_id: str


@dataclass(frozen=True, slots=True)
class AbandonStarts:
    """The pod is to end: give up what StartContainer has not created yet; each still answers ContainerFailed."""


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Run preStop, then send TERM, then KILL when `grace_seconds` are over: ContainerStopped. Asked for once in a
    container's life. Without grace, the hook is left out. With `in_turn`, TERM waits for TakeTurn (or for the time to
    be up)."""

    container_id: str
    name: str
    grace_seconds: float
    message: str
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class ShortenGrace:
    """KILL of a container that is being killed is due in this many seconds from now; nothing else changes."""

    container_id: str
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class TakeTurn:
    """A sidecar that is being killed need not wait for others any more."""

    container_id: str


@dataclass(frozen=True, slots=True)
class ResizePod:
    """Hold the pod's own cgroup, and those of its running containers whose ids are given, to what its spec now says,
    without a restart: ContainerResized for each, and PodResized or PodResizeFailed in the end."""

    container_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Forget a dead container and its log; no answer."""

    container_id: str
    log_path: str = ""


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Forget a stopped sandbox; no answer."""

    sandbox_id: str


@dataclass(frozen=True, slots=True)
class ProbeContainer:
    """Probe a running container from now on: ProbeChanged, as often as it changes. `started` and `ready` are what is
    known already (from before a restart of the node's process)."""

    name: str
    container_id: str
    started: bool
    ready: bool


@dataclass(frozen=True, slots=True)
class StopProbes:
    """No answer."""

    container_id: str


@dataclass(frozen=True, slots=True)
class Record:
    """Emit an event on the pod, on one container if named; no answer."""

    type: str
    reason: str
    message: str
    container: str = ""


@dataclass(frozen=True, slots=True)
class CountTermination:
    """A container was seen to end; no answer."""

    name: str
    exit_code: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """Work out the status and send it if it differs; no answer."""


@dataclass(frozen=True, slots=True)
class FinishDeletion:
    """Send the last status, then delete the API object for good: PodRemoved comes from the watch."""


@dataclass(frozen=True, slots=True)
class Wake:
    """TimeReached at this clock time; replaces an earlier Wake."""

    at: float


@dataclass(frozen=True, slots=True)
class Forget:
    """The pod is over; the machine takes no further events."""


Instruction = (
    MountVolumes
    | RemoveVolumes
    | StartSandbox
    | StopSandbox
    | StartContainer
    | AbandonStarts
    | KillContainer
    | ShortenGrace
    | TakeTurn
    | ResizePod
    | RemoveContainer
    | RemoveSandbox
    | ProbeContainer
    | StopProbes
    | Record
    | CountTermination
    | ReportStatus
    | FinishDeletion
    | Wake
    | Forget
)
