"""The runtimes that the suite is run against."""

from __future__ import annotations

import asyncio
import itertools
import pathlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.runtime.simulated.runtime import SimulatedRuntime
from pilothouse.seams.runtime import Container, ContainerConfig, Runtime, SandboxConfig
from pilothouse.testing.images import busybox_image
from tests.e2e.node import CGROUP, own_network, real_node

IMAGE = "pilothouse.example/box:1"
POD_CIDR = "10.222.9.0/24"


@dataclass
class Subject:
    """A runtime with a network and one image; `logs` is where its pods log to."""

    runtime: Runtime
    logs: pathlib.Path
    number: itertools.count[int] = field(default_factory=itertools.count)

    def sandbox_config(self, name: str = "pod") -> SandboxConfig:
        uid = f"uid-{next(self.number)}"
        return SandboxConfig(
            name=name,
            namespace="default",
            uid=uid,
            attempt=0,
            hostname=name,
            log_directory=str(self.logs / uid),
            cgroup_parent=f"{CGROUP}/pod{uid}",
            labels={"of": "suite"},
            annotations={"a": "1"},
        )

    async def container(self, sandbox_id: str, config: SandboxConfig, *command: str) -> str:
        """A started container."""
        image = await self.runtime.image(IMAGE)
        assert image is not None
        wanted = ContainerConfig(
            name="c",
            attempt=0,
            image=image.id,
            user_image=IMAGE,
            command=command,
            environment=(("X", "value"),),
            labels={"c": "label"},
            annotations={"c": "note"},
            log_path="c/0.log",
        )
        identity = await self.runtime.create_container(sandbox_id, wanted, config)
        await self.runtime.start_container(identity)
        return identity

    async def until(self, container_id: str, good: Callable[[Container], bool]) -> Container:
        async with asyncio.timeout(30):
            while not good(found := await self.runtime.container(container_id)):
                await SystemClock().sleep(0.01)
        return found


def _archive(path: pathlib.Path) -> pathlib.Path:
    return busybox_image(path, [IMAGE])


@pytest_asyncio.fixture(params=["simulated", pytest.param("containerd", marks=pytest.mark.e2e)])
async def subject(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> AsyncIterator[Subject]:
    if request.param == "simulated":
        async with TaskScope("runtime") as scope:
            runtime = SimulatedRuntime(SystemClock(), Chance(1), scope)
            await runtime.set_pod_cidr(POD_CIDR)
            yield Subject(runtime, tmp_path)
        return
    with own_network():
        async with real_node(_archive) as node:
            await node.runtime.set_pod_cidr(POD_CIDR)
            yield Subject(node.runtime, tmp_path)
