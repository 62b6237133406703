"""A whole kubelet on a simulated runtime, a fake API and virtual time."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Event, Namespace, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.kubelet import Kubelet
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.simulated import NoPlace, SimulatedHandlers
from pilothouse.runtime.simulated.runtime import SimulatedRuntime
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster


@dataclass
class World:
    clock: VirtualClock
    client: FakeClient
    runtime: SimulatedRuntime
    kubelet: Kubelet

    async def pod(self, name: str = "web") -> Pod:
        return await self.client.get(Pod, name, "default")

    async def until(self, good: Callable[[Pod], bool], name: str = "web", seconds: float = 120.0) -> Pod:
        """The pod once `good` holds of it; fails after some time of the virtual clock."""
        async with self.clock.timeout(seconds):
            while not good(found := await self.pod(name)):
                await self.clock.sleep(0.1)
        return found

    async def reasons(self, kind: str = "Pod") -> list[str]:
        return [e.reason for e in await self.events(kind)]

    async def events(self, kind: str) -> list[Event]:
        """Those about objects of a kind, in their order."""
        await self.kubelet.recorder.drained()
        page = await self.client.list(Event, "default")
        mine = [e for e in page.items if e.involved_object.kind == kind]
        return sorted(mine, key=lambda e: int(e.metadata.resource_version))


OPTIONS = NodeOptions(
    name="n1",
    address="192.0.2.1",
    root=Path("/nonexistent"),
    cgroup_parent="/simulated",
    pod_cidr="10.1.1.0/24",
    capacity={"cpu": "2", "memory": "4Gi", "ephemeral-storage": "10Gi"},
)


@contextlib.asynccontextmanager
async def machine(clock: VirtualClock) -> AsyncIterator[tuple[FakeClient, SimulatedRuntime]]:
    """An API and a runtime, which outlive the kubelets that run on them."""
    client = FakeClient(FakeCluster(clock, Chance(1)))
    for name in ("default", "kube-node-lease"):
        await client.create(Namespace(metadata=ObjectMeta(name=name)))
    async with TaskScope("machine") as scope:
        yield client, SimulatedRuntime(clock, Chance(2), scope, logs=False)


@contextlib.asynccontextmanager
async def world(clock: VirtualClock, place: NoPlace | None = None) -> AsyncIterator[World]:
    """A node that is up."""
    async with machine(clock) as (client, runtime), running(clock, client, runtime, place) as one:
        yield one


@contextlib.asynccontextmanager
async def running(
    clock: VirtualClock, client: FakeClient, runtime: SimulatedRuntime, place: NoPlace | None = None
) -> AsyncIterator[World]:
    """A kubelet's process, on what is there."""
    async with TaskScope("kubelet") as scope:
        kubelet = Kubelet(
            OPTIONS,
            client,
            runtime,
            place or NoPlace(),
            clock,
            Chance(3),
            scope,
            services=tuple,
            actions=SimulatedHandlers(runtime, clock),
        )
        await kubelet.start()
        yield World(clock, client, runtime, kubelet)


def simulated_pod(name: str = "web", annotations: dict[str, str] | None = None, **spec: object) -> Pod:
    one = {"name": "c", "image": "app:1", "imagePullPolicy": "IfNotPresent"}
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
        "spec": {
            "nodeName": "n1",
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": [one],
            **spec,
        },
    }
    return from_builtins(tree, Pod)
