"""What the node's disk and kernel hold of a pod, beside its containers: a seam of the sync, so that a simulated node
needs neither."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.eviction import Signals
from pilothouse.kubelet.volumes.model import Shape
from pilothouse.seams.runtime import Container, Mount


@dataclass(frozen=True, slots=True)
class ContainerPlace:
    """The mounts of a container to be made, and the file that takes its last words ("" for none)."""

    mounts: tuple[Mount, ...]
    message_file: str


class HoldFailed(Exception):
    """The kernel does not hold a pod's cgroup to what was asked for."""


class Place(Protocol):
    """Folders, mounts, cgroups and files of pods. Errors are VolumeError."""

    async def enforce_allocatable(self) -> bool:
        """Hold all pods together to what the node may give, before the first one comes; whether the kernel does."""
        ...

    async def prepare(self, pod: Pod, shapes: Mapping[str, Shape]) -> None:
        """Make the pod's folder, volumes and cgroup, or bring its volumes up to date."""
        ...

    async def container(
        self,
        pod: Pod,
        container: AnyContainer,
        attempt: int,
        pod_ips: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> ContainerPlace: ...

    async def hold(self, pod: Pod, resource: str) -> None:
        """Hold the pod's cgroup to what its spec now says of `resource`, cpu or memory. Raises HoldFailed."""
        ...

    async def memory_used(self, pod: Pod, container_id: str = "") -> int | None:
        """Bytes of memory that a pod, or one of its containers, uses; None if nobody knows."""
        ...

    async def last_words(self, container: Container) -> str:
        """What an ended container left as its termination message."""
        ...

    async def remove(self, pod: Pod) -> None:
        """Everything but logs."""
        ...

    async def link_log(self, pod: Pod, container: str, attempt: int, container_id: str) -> None:
        """Show a started container's log where log agents look for it."""
        ...

    async def remove_logs(self, pod: Pod) -> None: ...

    async def remove_log(self, path: str) -> None:
        """One container's log, with what was rotated away from it."""
        ...

    async def rotate_log(self, path: str) -> bool:
        """Rename a log away if it has grown too large; whether it did, so that the runtime has to reopen it."""
        ...

    async def written(self, pod: Pod) -> Mapping[str, int]:
        """Bytes on disk in the pod's emptyDirs by volume name, and in its logs and last words by ""."""
        ...

    async def read_file(self, pod: Pod, volume: str, path: str) -> bytes | None:
        """A file of one of the pod's volumes; None if it is not there. Raises VolumeError for what is no plain file."""
        ...

    async def signals(self) -> Signals | None:
        """What the node has left; None where it never runs short."""
        ...

    async def keep_only(self, uids: Collection[str]) -> None:
        """Remove what is left of all other pods, from before the node's process began."""
        ...
