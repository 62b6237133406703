"""A control plane that is told to end ends in order: whoever uses the store has ended before it is closed."""

from __future__ import annotations

import asyncio
import logging
import pathlib

import msgspec
import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.apps.v1 import Deployment
from pilothouse.apiserver.parts import MASTER
from pilothouse.apiserver.server import ApiServer
from pilothouse.house import control_plane, encryption
from pilothouse.house import spec as specs
from pilothouse.house.addresses import free_port
from pilothouse.house.paths import Paths
from pilothouse.house.pki import PKI
from pilothouse.house.spec import ClusterSpec, NodeSpec
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.tasks import TaskScope

SPEC = ClusterSpec("dev", "simulated", 6443, "192.0.2.1", "172.30.0.0/24", "10.244.0.0/16", (NodeSpec("node-1", 1),))
LABELS = {"app": "a"}


def deployment(name: str) -> Deployment:
    pod = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 20, "selector": {"matchLabels": LABELS}, "template": pod}
    return from_builtins({"metadata": {"name": name, "namespace": "default"}, "spec": spec}, Deployment)


@pytest.fixture
def paths(tmp_path: pathlib.Path) -> Paths:
    made = Paths(tmp_path / "state/dev", tmp_path / "run/dev")
    made.run.mkdir(parents=True)
    spec = msgspec.structs.replace(SPEC, api_port=free_port(()))
    PKI(made.pki).ensure(spec, SystemClock().now(), started=False)
    specs.save(made, spec)
    encryption.write(made, encryption.begun())
    return made


# Before anything runs, while it starts, and with controllers, scheduler and kubelet at work.
@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.0, None])
async def test_the_end_is_quiet(
    paths: Paths,
    seconds: float | None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    caplog.set_level(logging.INFO)
    spec = specs.load(paths)
    assert spec is not None
    servers: list[ApiServer] = []
    begin = ApiServer.start

    async def noted(self: ApiServer) -> None:
        servers.append(self)
        await begin(self)

    monkeypatch.setattr(ApiServer, "start", noted)
    async with TaskScope("control-plane") as scope:
        starting = scope.spawn(control_plane.start(paths, spec, scope), "start")
        await asyncio.wait({starting}, timeout=seconds)
        if seconds is None:
            client = servers[0].client(MASTER)
            for index in range(3):
                await client.create(deployment(f"a{index}"))
            await asyncio.wait({scope.spawn(scope.wait_failed(), "watching")}, timeout=0.3)
        caplog.clear()
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == []
    assert [r.getMessage() for r in caplog.records if "store" in r.getMessage()] == []
    assert [str(w.message) for w in recwarn if "never awaited" in str(w.message)] == []
