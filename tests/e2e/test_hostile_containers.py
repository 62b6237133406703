"""Containers that swap what the node is about to touch: links in volumes while their neighbours start, great depths."""

from __future__ import annotations

import asyncio
import os
import pathlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from pilothouse.api.types.core.v1 import Pod, Secret
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet.safepath import mounts
from pilothouse.semantics.pods import is_ready
from pilothouse.testing.images import busybox_image
from tests.e2e.node import RealNode, own_network, pod, real_node

pytestmark = pytest.mark.e2e
IMAGE = "pilothouse.example/box:1"
SWAP = "cd /e; while :; do rm -rf x; mkdir x; usleep 20000; rmdir x; ln -s / x; usleep 20000; done"


@pytest.fixture
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest_asyncio.fixture
async def node(network: None) -> AsyncIterator[RealNode]:
    async with real_node(lambda path: busybox_image(path, [IMAGE])) as one:
        yield one


def racing(name: str, count: int) -> Pod:
    """A sidecar that swaps `x`, and containers that mount it and say what they see."""
    mount = {"name": "e", "mountPath": "/e"}
    side = {"name": "swap", "restartPolicy": "Always", "command": ["sh", "-c", SWAP], "volumeMounts": [mount]}
    look = ["sh", "-c", "{ ls /m | tr '\\n' ' '; cat /m/etc/hostname; } > /dev/termination-log 2>/dev/null; true"]
    containers = [
        {
            "name": f"v{number}",
            "image": IMAGE,
            "imagePullPolicy": "Never",
            "command": look,
            "terminationMessagePath": "/dev/termination-log",
            "volumeMounts": [{"name": "e", "mountPath": "/m", "subPath": "x"}],
        }
        for number in range(count)
    ]
    return pod(
        name,
        image=IMAGE,
        restartPolicy="Never",
        initContainers=[{"image": IMAGE, "imagePullPolicy": "Never", **side}],
        containers=containers,
        volumes=[{"name": "e", "emptyDir": {}}],
    )


def left(node: RealNode) -> list[pathlib.Path]:
    """Folders of pods that are still there."""
    return list((node.options.root / "pods").iterdir())


def _is_gone(text: str) -> bool:
    return text.startswith("failed to create containerd task") and "no such file or directory" in text


@pytest.mark.parametrize(("pods", "containers"), [(1, 14), pytest.param(10, 20, marks=pytest.mark.torture)])
async def test_a_sub_path_swapped_for_a_link_shows_nothing_of_the_node(
    node: RealNode, pods: int, containers: int
) -> None:
    def ended(subject: Pod) -> bool:
        statuses = subject.status.container_statuses
        return bool(statuses) and all(s.state.terminated for s in statuses)

    async with node.process():
        for number in range(pods):
            name = f"race{number}"
            await node.client.create(racing(name, containers))
            found = await node.until(name, ended, 120.0)
            seen = {s.name: s.state.terminated.message for s in found.status.container_statuses if s.state.terminated}
            # One whose folder is deleted before the runtime comes to it does not start.
            other = {name: text for name, text in seen.items() if text and not _is_gone(text)}
            assert (len(seen), other) == (containers, {})
            await node.client.delete(Pod, name, "default")
            await node.gone(name)
    assert mounts.mounts_below(str(node.options.root / "pods")) == [], "nothing of them stays mounted"


async def test_sub_paths_live_through_restarts_and_their_volumes_changes(node: RealNode) -> None:
    """A part is made with the volume's mode, shown again to the next run, and unmounted when the pod goes, also by a
    process of the node that did not make it."""
    mounted = [
        {"name": "e", "mountPath": "/all"},
        {"name": "e", "mountPath": "/part", "subPath": "a/b"},
        {"name": "e", "mountPath": "/file", "subPathExpr": "$(WHICH)"},
    ]
    script = "stat -c %a /all/a/b; touch /part/x; ls /all/a/b; ls /file"
    subject = pod(
        "parts",
        "sleep",
        "1000",
        image=IMAGE,
        container={"volumeMounts": mounted, "env": [{"name": "WHICH", "value": "one"}]},
        securityContext={"fsGroup": 77},
        volumes=[{"name": "e", "emptyDir": {}}],
    )
    folder = str(node.options.root / "pods")
    async with node.process():
        await node.client.create(subject)
        found = await node.until("parts", lambda p: any(s.ready for s in p.status.container_statuses))
        assert (await node.run("parts", "sh", "-c", script)).split() == ["2777", "x"]
        assert len(mounts.mounts_below(folder)) == 2
        identity = found.status.container_statuses[0].container_id.partition("//")[2]
        await node.runtime.stop_container(identity, 0)
        again = await node.until(
            "parts", lambda p: any(s.ready and s.restart_count for s in p.status.container_statuses)
        )
        assert again.status.container_statuses[0].restart_count == 1
        assert (await node.run("parts", "ls", "/part")).split() == ["x"]
        assert len(mounts.mounts_below(folder)) == 2
    async with node.process():
        await node.client.delete(Pod, "parts", "default")
        await node.gone("parts")
    assert mounts.mounts_below(folder) == []
    assert left(node) == []


async def test_a_pod_that_leaves_a_mess_is_removed_all_the_same(node: RealNode) -> None:
    """Depths that no path reaches, a torrent of last words, nonsense in its hosts file."""
    mess = (
        "cd /e; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || break; i=$((i+1)); done; "
        "head -c 50000000 /dev/zero > /dev/termination-log; head -c 100000 /dev/urandom > /etc/hosts; exit 3"
    )
    subject = pod(
        "mess",
        "sh",
        "-c",
        mess,
        image=IMAGE,
        container={
            "volumeMounts": [{"name": "e", "mountPath": "/e"}],
            "terminationMessagePath": "/dev/termination-log",
        },
        volumes=[{"name": "e", "emptyDir": {"sizeLimit": "1Gi"}}],
    )
    async with node.process() as kubelet:
        await node.client.create(subject)
        found = await node.until("mess", lambda p: any(s.restart_count >= 1 for s in p.status.container_statuses), 60.0)
        ended = next(s.last_state.terminated for s in found.status.container_statuses if s.last_state.terminated)
        assert (ended.exit_code, len(ended.message)) == (3, 4096)
        written = await kubelet.pods.shop.place.written(found)
        assert written["e"] > 0
        assert written[""] >= 50_000_000, "last words take the pod's own disk"
        await node.client.delete(Pod, "mess", "default")
        await node.gone("mess")
    assert left(node) == []


async def test_a_log_is_not_written_where_a_neighbour_has_put_a_link(node: RealNode) -> None:
    """containerd follows links in the path of a log, and makes the file that they lead to."""
    outside = node.home / "outside"
    outside.mkdir()
    script = "echo said; while [ ! -e /tmp/end ]; do sleep 0.1; done; exit 1"
    async with node.process():
        await node.client.create(pod("one", "sh", "-c", script, image=IMAGE))
        found = await node.until("one", is_ready)
        logs = node.options.logs / f"default_one_{found.metadata.uid}" / "c"
        logs.rename(logs.with_name("moved"))
        logs.symlink_to(outside)
        await node.run("one", "touch", "/tmp/end")
        await node.until("one", lambda p: p.status.container_statuses[0].restart_count == 1 and is_ready(p))
        assert os.listdir(outside) == []
        assert not logs.is_symlink()
        async with asyncio.timeout(10.0):
            while b"said" not in (logs / "1.log").read_bytes():
                await node.clock.sleep(0.02)


@pytest.mark.torture
async def test_a_kubelet_that_ends_at_any_moment_leaves_nothing_behind(node: RealNode) -> None:
    """Its process ends a little later each time, amid volumes, sub paths, hooks and removal; the last one tidies up."""
    meta = ObjectMeta(name="conf", namespace="default")
    await node.client.create(Secret(metadata=meta, data={"s": b"secret"}))
    mounted = [
        {"name": "s", "mountPath": "/s"},
        {"name": "e", "mountPath": "/e", "subPath": "a"},
        {"name": "s", "mountPath": "/one", "subPath": "s"},
    ]
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "sleep 0.3"]}}}
    volumes = [{"name": "s", "secret": {"secretName": "conf"}}, {"name": "e", "emptyDir": {}}]
    for number in range(30):
        name = f"short{number}"
        one = {"volumeMounts": mounted, "lifecycle": hook, "terminationMessagePath": "/dev/termination-log"}
        await node.client.create(
            pod(name, "sleep", "1000", image=IMAGE, container=one, volumes=volumes, securityContext={"fsGroup": 5})
        )
        async with node.process():
            await node.clock.sleep(0.05 * number)
        await node.client.delete(Pod, name, "default")
        async with node.process():
            await node.clock.sleep(0.05 * (30 - number))
    async with node.process():
        await node.gone(*(f"short{number}" for number in range(30)))
        async with asyncio.timeout(20.0):
            while await node.runtime.sandboxes():
                await node.clock.sleep(0.1)
    assert mounts.mounts_below(str(node.options.root)) == []
    assert left(node) == []
    assert os.listdir(node.options.log_links) == []
    assert os.listdir(node.options.logs) == []
