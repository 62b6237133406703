"""What a pod's machine hears of. Facts only: nothing here asks for anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pilothouse.api.types.core.v1 import Pod, ResourceRequirements
from pilothouse.seams.runtime import Container, Sandbox


class Probe(Enum):
    STARTUP = "startup"
    READINESS = "readiness"
    LIVENESS = "liveness"


@dataclass(frozen=True, slots=True)
class PodChanged:
    """The API object is new or changed; deletion shows in its metadata."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class PodRemoved:
    """The API object is gone."""


@dataclass(frozen=True, slots=True)
class PodRejected:
    """The node will not run it."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PodEvicted:
    """The node wants it to end, as failed. `grace_seconds` None: the pod's own. `disruption`: the node ran short, not
    the pod over its own limit."""

    reason: str
    message: str
    grace_seconds: int | None = None
    disruption: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeSeen:
    """Everything the runtime has of this pod, newest attempt last."""

    sandboxes: Sequence[Sandbox]
    containers: Sequence[Container]


@dataclass(frozen=True, slots=True)
class ContainerSeen:
    """One container as it now stands."""

    container: Container


@dataclass(frozen=True, slots=True)
class SandboxSeen:
    """One sandbox as it now stands."""

    sandbox: Sandbox


@dataclass(frozen=True, slots=True)
class VolumesMounted:
    """All volumes are there."""


@dataclass(frozen=True, slots=True)
class VolumesFailed:
    message: str


@dataclass(frozen=True, slots=True)
class VolumesChanged:
    """What volumes are made of has changed: those that failed may be tried again at once."""


@dataclass(frozen=True, slots=True)
class VolumesRemoved:
    """Volumes and cgroups are gone."""


@dataclass(frozen=True, slots=True)
class SandboxStarted:
    sandbox: Sandbox


@dataclass(frozen=True, slots=True)
class SandboxFailed:
    message: str


@dataclass(frozen=True, slots=True)
class SandboxStopped:
    sandbox_id: str


@dataclass(frozen=True, slots=True)
class ContainerStarted:
    """`resources` is what it was made with; None where that is what its spec says."""

    container: Container
    resources: ResourceRequirements | None = None


@dataclass(frozen=True, slots=True)
class ContainerFailed:
    """A container could not be started; `reason` is its waiting reason (ErrImagePull, CreateContainerError ...)."""

    name: str
    reason: str
    message: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class ContainerResized:
    """A running container is now held to `resources`, those that it has from its pod included."""

    container_id: str
    resources: ResourceRequirements


@dataclass(frozen=True, slots=True)
class PodResized:
    """A resize is through: the pod's own cgroup is now held to `granted`, as `resizes.resources` lists it."""

    granted: Mapping[str, ResourceRequirements]


@dataclass(frozen=True, slots=True)
class PodResizeFailed:
    """A resize was not carried out, or not all of it; it may come to fit."""

    message: str


@dataclass(frozen=True, slots=True)
class ContainerStopped:
    """A kill that the machine asked for is through; `container` is its last state, None if it is gone."""

    container_id: str
    container: Container | None


@dataclass(frozen=True, slots=True)
class ProbeChanged:
    """A probe crossed its threshold. `message` is its last output, for the event."""

    container_id: str
    probe: Probe
    success: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class TimeReached:
    """The time that a Wake named has come."""


Event = (
    PodChanged
    | PodRemoved
    | PodRejected
    | PodEvicted
    | RuntimeSeen
    | ContainerSeen
    | SandboxSeen
    | VolumesMounted
    | VolumesFailed
    | VolumesChanged
    | VolumesRemoved
    | SandboxStarted
    | SandboxFailed
    | SandboxStopped
    | ContainerStarted
    | ContainerFailed
    | ContainerResized
    | PodResized
    | PodResizeFailed
    | ContainerStopped
    | ProbeChanged
    | TimeReached
)
