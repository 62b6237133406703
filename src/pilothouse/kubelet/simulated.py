"""The parts of a kubelet that a simulated node needs in place of the real ones: no disk, no network, no cgroups."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pilothouse.api.types.core.v1 import GRPCAction, HTTPGetAction, Pod, TCPSocketAction
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.eviction import Signals
from pilothouse.kubelet.handlers import Handlers, Outcome
from pilothouse.kubelet.sync.place import ContainerPlace
from pilothouse.kubelet.volumes.model import Shape
from pilothouse.kubelet.volumes.sub_paths import sub_path
from pilothouse.seams.runtime import Container


class NoPlace:
    """A `Place` that keeps nothing: volumes are looked up in the API like real ones, and made nowhere."""

    async def enforce_allocatable(self) -> bool:
        return False

    async def prepare(self, pod: Pod, shapes: Mapping[str, Shape]) -> None:
        """Nothing to make."""

    async def container(
        self,
        pod: Pod,
        container: AnyContainer,
        attempt: int,
        pod_ips: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> ContainerPlace:
        for mount in container.volume_mounts:
            sub_path(mount, environment)
        return ContainerPlace((), "")

    async def hold(self, pod: Pod, resource: str) -> None:
        """There is nothing to hold."""

    async def memory_used(self, pod: Pod, container_id: str = "") -> int | None:
        return None

    async def last_words(self, container: Container) -> str:
        return ""

    async def remove(self, pod: Pod) -> None:
        """Nothing to remove."""

    async def link_log(self, pod: Pod, container: str, attempt: int, container_id: str) -> None:
        """No agent looks for it."""

    async def remove_logs(self, pod: Pod) -> None:
        """Logs go with the node's folder."""

    async def remove_log(self, path: str) -> None:
        """Logs go with the node's folder."""

    async def rotate_log(self, path: str) -> bool:
        return False

    async def written(self, pod: Pod) -> Mapping[str, int]:
        return {}

    async def keep_only(self, uids: Collection[str]) -> None:
        """Nothing is ever left."""

    async def read_file(self, pod: Pod, volume: str, path: str) -> bytes | None:
        return None

    async def signals(self) -> Signals | None:
        return None


class SimulatedHandlers(Handlers):
    """Probes and hooks of simulated containers: commands run in the simulated runtime, as in a real one; whatever would
    go over the network is well, since there is none."""

    async def http_get(
        self,
        action: HTTPGetAction,
        container: AnyContainer,
        ip: str,
        seconds: float | None,
        *,
        any_status: bool = False,
    ) -> Outcome:
        return Outcome(True)

    async def tcp(self, action: TCPSocketAction, container: AnyContainer, ip: str, seconds: float | None) -> Outcome:
        return Outcome(True)

    async def grpc(self, action: GRPCAction, ip: str, seconds: float | None) -> Outcome:
        return Outcome(True)
