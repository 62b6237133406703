"""A node with real containers: what a kubelet promises its pods."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.runtime.containerd import leftovers
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.semantics.pods import is_ready
from pilothouse.testing.images import busybox_image
from tests.e2e.node import CGROUP, RealNode, own_network, pod, real_node

pytestmark = pytest.mark.e2e
IMAGE = "pilothouse.example/box:1"


def archive(path: pathlib.Path) -> pathlib.Path:
    return busybox_image(path, [IMAGE])


@pytest.fixture
def network() -> Iterator[None]:
    with own_network():
        yield


@pytest_asyncio.fixture
async def node(network: None) -> AsyncIterator[RealNode]:
    async with real_node(archive) as one:
        yield one


def sleeper(name: str, **spec: object) -> Pod:
    return pod(name, "sleep", "1000", image=IMAGE, **spec)


async def test_a_pods_whole_surroundings(node: RealNode) -> None:
    """Environment, volumes, names, users, limits: all as the spec says."""
    meta = ObjectMeta(name="conf", namespace="default")
    await node.client.create(ConfigMap(metadata=meta, data={"a": "1", "b": "2"}))
    await node.client.create(Secret(metadata=meta, data={"s": b"secret"}))
    container = {
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "conf", "key": "s"}}},
        ],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
        "securityContext": {"runAsUser": 1234, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "conf", "mountPath": "/conf"},
            {"name": "conf", "mountPath": "/one", "subPath": "a"},
            {"name": "memory", "mountPath": "/memory"},
            {"name": "scratch", "mountPath": "/scratch"},
        ],
    }
    volumes = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    subject = sleeper(
        "all",
        container=container,
        volumes=volumes,
        securityContext={"fsGroup": 99},
        hostAliases=[{"ip": "1.2.3.4", "hostnames": ["somewhere"]}],
    )
    async with node.process():
        await node.client.create(subject)
        found = await node.until("all", is_ready)
        script = (
            "id -u; id -G; cat /conf/b /one; echo; echo $IP $S; stat -f -c %T /memory; touch /scratch/x /memory/x; "
            "stat -c %g /scratch/x; (touch /x 2>&1 || true); hostname; grep somewhere /etc/hosts; "
            "grep search /etc/resolv.conf; cat /proc/self/cgroup"
        )
        lines = (await node.run("all", "sh", "-c", script)).splitlines()
        assert lines[0] == "1234"
        assert "99" in lines[1].split()
        assert lines[2:4] == ["21", f"{found.status.pod_ip} secret"]
        assert lines[4:9] == ["tmpfs", "99", "touch: /x: Read-only file system", "all", "1.2.3.4\tsomewhere"]
        assert lines[9] == "search default.svc.cluster.local svc.cluster.local cluster.local"
        assert any(f"{CGROUP}/kubepods/burstable/pod{found.metadata.uid}" in line for line in lines[10:])
        await node.client.delete(Pod, "all", "default")
        await node.gone("all")
        assert not list((node.home / "kubelet/pods").iterdir())


async def test_ends_of_containers_are_told_as_they_were(node: RealNode) -> None:
    limit = {"resources": {"limits": {"memory": "20Mi"}}}
    last_words = "echo -n bye > /dev/termination-log; exit 3"
    words = {"terminationMessagePath": "/dev/termination-log"}
    async with node.process():
        await node.client.create(
            pod("three", "sh", "-c", last_words, image=IMAGE, restartPolicy="Never", container=words)
        )
        await node.client.create(
            pod("greedy", "tail", "/dev/zero", image=IMAGE, restartPolicy="Never", container=limit)
        )
        await node.client.create(pod("absent", "nosuch", image=IMAGE))
        await node.client.create(pod("never", "true", image="pilothouse.example/absent:1"))
        three = await node.until("three", lambda p: p.status.phase == "Failed")
        ended = three.status.container_statuses[0].state.terminated
        assert ended is not None
        assert (ended.exit_code, ended.reason, ended.message) == (3, "Error", "bye")
        greedy = await node.until("greedy", lambda p: p.status.phase == "Failed")
        ended = greedy.status.container_statuses[0].state.terminated
        assert ended is not None
        assert (ended.exit_code, ended.reason) == (137, "OOMKilled")
        absent = await node.until("absent", lambda p: _waiting(p) == "CrashLoopBackOff")
        ended = absent.status.container_statuses[0].last_state.terminated
        assert ended is not None
        assert (ended.exit_code, ended.reason) == (128, "StartError")
        await node.until("never", lambda p: _waiting(p) == "ErrImageNeverPull")
        assert ("Started", "Container started") in await node.events("three")


def _waiting(subject: Pod) -> str:
    told = subject.status.container_statuses
    return told[0].state.waiting.reason if told and told[0].state.waiting is not None else ""


async def test_probes_decide_over_traffic_and_life(node: RealNode) -> None:
    serve = "mkdir -p /tmp/w; echo hi > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"
    often = {"periodSeconds": 1, "failureThreshold": 1}
    probes = {
        "readinessProbe": {"httpGet": {"path": "/index.html", "port": 8080}, **often},
        "livenessProbe": {"exec": {"command": ["test", "!", "-e", "/tmp/ill"]}, **often},
    }
    async with node.process():
        await node.client.create(pod("web", "sh", "-c", serve, image=IMAGE, container=probes))
        await node.until("web", is_ready)
        await node.run("web", "mv", "/tmp/w/index.html", "/tmp/w/gone")
        await node.until("web", lambda p: not is_ready(p))
        assert ("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404") in await node.events(
            "web"
        )
        await node.run("web", "touch", "/tmp/ill")
        again = await node.until("web", lambda p: p.status.container_statuses[0].restart_count == 1 and is_ready(p))
        assert again.status.container_statuses[0].last_state.terminated is not None
        assert ("Killing", "Container c failed liveness probe, will be restarted") in await node.events("web")


async def test_the_end_of_the_nodes_process_disturbs_nobody(node: RealNode) -> None:
    async with node.process():
        for name in ("stays", "goes", "dies"):
            await node.client.create(sleeper(name))
        for name in ("stays", "goes", "dies"):
            await node.until(name, is_ready)
        await asyncio.sleep(0.3)
    before = await node.pod("stays")
    dead = (await node.pod("dies")).status.container_statuses[0].container_id.partition("//")[2]
    await node.client.delete(Pod, "goes", "default", grace_period_seconds=1)
    await node.runtime.stop_container(dead, 0)
    async with node.process():
        await node.gone("goes")
        await node.until("dies", lambda p: p.status.container_statuses[0].restart_count == 1 and is_ready(p))
        assert await node.pod("stays") == before


async def test_an_end_that_the_nodes_process_did_not_live_to_see_begins_anew(node: RealNode) -> None:
    """As upstream's kubelet has it, which remembers no hook."""
    marks = node.home / "marks"
    marks.mkdir()
    script = 'trap "echo term >> /m/term; exit 0" TERM; while :; do sleep 0.1; done'
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /m/hook; sleep 2; echo through >> /m/hook"]}}}
    mounted = {"volumeMounts": [{"name": "m", "mountPath": "/m"}], "lifecycle": hook}
    volumes = [{"name": "m", "hostPath": {"path": str(marks)}}]

    def hooks() -> list[str]:
        file = marks / "hook"
        return file.read_text().split() if file.exists() else []

    async with node.process():
        await node.client.create(pod("ends", "sh", "-c", script, image=IMAGE, container=mounted, volumes=volumes))
        await node.until("ends", is_ready)
        await node.client.delete(Pod, "ends", "default", grace_period_seconds=20)
        async with asyncio.timeout(10.0):
            while not hooks():
                await node.clock.sleep(0.02)
    async with node.process():
        await node.gone("ends")
    assert hooks().count("hook") == 2
    assert hooks()[-1] == "through", "the second time to its end"
    assert (marks / "term").read_text() == "term\n"


async def test_settings_of_a_node(node: RealNode) -> None:
    node.options = replace(node.options, seccomp_default=True, allowed_sysctls=["kernel.msg*"])
    unconfined = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
    context = {"sysctls": [{"name": "kernel/msgmax", "value": "65536"}]}
    async with node.process():
        await node.client.create(sleeper("usual", securityContext=context))
        await node.client.create(sleeper("unconfined", container=unconfined))
        for name, mode in (("usual", "2"), ("unconfined", "0")):
            await node.until(name, is_ready)
            assert (await node.run(name, "grep", "Seccomp:", "/proc/self/status")).split() == ["Seccomp:", mode]
        assert await node.run("usual", "cat", "/proc/sys/kernel/msgmax") == "65536\n"


async def test_containerd_may_die_and_so_may_a_sandbox(node: RealNode) -> None:
    async with node.process():
        await node.client.create(sleeper("one"))
        before = await node.until("one", is_ready)
        pid = node.supervisor.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        await node.client.create(sleeper("two"))
        await node.until("two", is_ready)
        assert (await node.pod("one")).status.container_statuses == before.status.container_statuses
        sandbox = next(s for s in await node.runtime.sandboxes() if s.name == "one")
        with contextlib.suppress(RuntimeFailure):  # the kubelet sees it end, and may be taking it down, too
            await node.runtime.stop_sandbox(sandbox.id)
        after = await node.until("one", lambda p: p.status.container_statuses[0].restart_count > 0 and is_ready(p))
        assert after.status.pod_ip != before.status.pod_ip
        assert "SandboxChanged" in [reason for reason, _ in await node.events("one")]


async def test_streams_into_a_container(node: RealNode) -> None:
    async with node.process():
        await node.client.create(sleeper("one"))
        found = await node.until("one", is_ready)
        identity = found.status.container_statuses[0].container_id.partition("//")[2]
        session = await node.runtime.exec(identity, ["sh", "-c", "cat; echo err >&2; exit 7"], stdin=True, tty=False)
        assert session.stdin is not None
        assert session.stderr is not None
        await session.stdin.write(b"hello")
        await session.stdin.close()
        assert (await session.stdout.read(), await session.stderr.read()) == (b"hello", b"err\n")
        assert (await session.wait()).code == 7
        await session.close()
        sandbox = next(s for s in await node.runtime.sandboxes() if s.name == "one")
        serving = asyncio.create_task(node.run("one", "sh", "-c", "echo hey | nc -l -p 9000"))
        await asyncio.sleep(0.2)
        stream = await node.runtime.port_forward(sandbox.id, 9000)
        assert await stream.read() == b"hey\n"
        await stream.close()
        serving.cancel()


def mounts() -> str:
    return pathlib.Path("/proc/self/mounts").read_text()


async def test_nothing_is_left_when_a_node_is_ended(network: None) -> None:
    """Also with pods running, as when a cluster is taken down."""
    before = mounts()
    async with real_node(archive) as node:
        async with node.process():
            await node.client.create(sleeper("one", volumes=[{"name": "m", "emptyDir": {"medium": "Memory"}}]))
            await node.until("one", is_ready)
        assert leftovers.processes_naming(str(node.home))
        assert leftovers.cgroups_under(CGROUP)
        leftovers.unmount_all(node.home)
    assert not leftovers.processes_naming(str(node.home))
    assert not leftovers.cgroups_under(CGROUP)
    assert mounts() == before
    assert not node.home.exists()
