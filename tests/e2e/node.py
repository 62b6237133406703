"""One real node without a cluster: containerd and a kubelet in a network namespace, and an API in memory.

The namespace is this process's for as long as the node lives: containerd's streams and pods are reached from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Event, Namespace, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.place import DiskPlace
from pilothouse.runtime.containerd.client import ContainerdRuntime
from pilothouse.runtime.containerd.config import ContainerdPaths
from pilothouse.runtime.containerd.supervisor import Supervisor
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster

CLONE_NEWNET = 0x40000000
CGROUP = "/pilothouse-test-node"


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """Move this thread into a network namespace of its own, and back."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
        libc.setns(before, CLONE_NEWNET)
    finally:
        os.close(before)


@dataclass
class RealNode:
    """`home` holds everything; kubelets come and go on it."""

    home: pathlib.Path
    clock: SystemClock = field(default_factory=SystemClock)
    kubelet: Kubelet | None = None

    def __post_init__(self) -> None:
        paths = ContainerdPaths(root=self.home / "c", state=self.home / "r")
        self.supervisor = Supervisor(paths, CGROUP, self.clock)
        self.client = FakeClient(FakeCluster(self.clock))
        self.options = NodeOptions(
            name="n1", address="192.0.2.1", root=self.home / "kubelet", cgroup_parent=CGROUP, pod_cidr="10.222.9.0/24"
        )

    @property
    def runtime(self) -> ContainerdRuntime:
        return self.supervisor.runtime

    @contextlib.asynccontextmanager
    async def process(self) -> AsyncIterator[Kubelet]:
        """A kubelet, as long as the block lasts."""
        async with TaskScope("kubelet") as scope:
            place = DiskPlace(self.options, self.clock)
            kubelet = Kubelet(
                self.options, self.client, self.runtime, place, self.clock, Chance(), scope, services=tuple
            )
            await kubelet.start()
            scope.spawn(self.supervisor.watch(), "containerd")
            yield kubelet

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def until(self, name: str, good: Callable[[Pod], bool], seconds: float = 20.0) -> Pod:
        async with asyncio.timeout(seconds):
            while not good(found := await self.pod(name)):
                await self.clock.sleep(0.02)
        return found

    async def gone(self, *names: str) -> None:
        async with asyncio.timeout(20.0):
            while any(p.metadata.name in names for p in (await self.client.list(Pod)).items):
                await self.clock.sleep(0.02)

    async def events(self, name: str) -> list[tuple[str, str]]:
        found = (await self.client.list(Event, "default")).items
        return [(e.reason, e.message) for e in found if e.involved_object.name == name]

    async def run(self, pod: str, *command: str) -> str:
        """The output of a command in a pod's first container."""
        identity = (await self.pod(pod)).status.container_statuses[0].container_id.partition("//")[2]
        result = await self.runtime.exec_sync(identity, command, 10.0)
        assert result.exit_code == 0, result.stderr
        return result.stdout.decode()


@contextlib.asynccontextmanager
async def real_node(archive: Callable[[pathlib.Path], pathlib.Path]) -> AsyncIterator[RealNode]:
    """A node with containerd up and an image loaded; all of it gone in the end."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="phn-", dir="/tmp"))
    node = RealNode(home)
    for name in ("default", "kube-node-lease"):
        await node.client.create(Namespace(metadata=ObjectMeta(name=name)))
    try:
        await node.supervisor.start()
        await node.runtime.load_archive(str(archive(home / "image.tar")))
        yield node
    finally:
        await node.supervisor.stop(remove=True)
        shutil.rmtree(home)


def pod(name: str, *command: str, image: str, **spec: object) -> Pod:
    one: dict[str, object] = {"name": "c", "image": image, "imagePullPolicy": "Never", "command": list(command)}
    one.update(spec.pop("container", {}))  # type: ignore[call-overload]
    tree = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "nodeName": "n1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 1,
            "containers": [one],
            **spec,
        },
    }
    return from_builtins(tree, Pod)
