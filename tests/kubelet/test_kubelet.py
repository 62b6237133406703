"""The kubelet as a whole, on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.api.types.core.v1 import ConfigMap, Node, Pod
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kubelet.podworker.events import PodEvicted
from pilothouse.kubelet.simulated import NoPlace
from pilothouse.kubelet.volumes.model import Files, Shape
from pilothouse.machinery.client.interface import StrategicMergePatch
from pilothouse.seams.runtime import ContainerConfig, SandboxConfig
from pilothouse.semantics.pods import is_ready
from pilothouse.testing.clock import VirtualClock
from tests.kubelet.world import machine, running, simulated_pod, world

AFTER, CODE = "pilothouse.io/simulate-exit-after", "pilothouse.io/simulate-exit-code"


def waits_for(why: str) -> Callable[[Pod], bool]:
    """Whether a container of the pod waits for this reason."""

    def check(pod: Pod) -> bool:
        return any(s.state.waiting is not None and s.state.waiting.reason == why for s in pod.status.container_statuses)

    return check


async def test_a_node_registers_ready_and_renews_its_lease(clock: VirtualClock) -> None:
    async with world(clock) as one:
        node = await one.client.get(Node, "n1")
        conditions = {c.type: (c.status, c.reason) for c in node.status.conditions}
        assert conditions["Ready"] == ("True", "KubeletReady")
        assert conditions["MemoryPressure"] == ("False", "KubeletHasSufficientMemory")
        assert [(a.type, a.address) for a in node.status.addresses] == [("InternalIP", "192.0.2.1"), ("Hostname", "n1")]
        assert str(node.status.capacity["cpu"]) == "2"
        await clock.sleep(1)
        first = await one.client.get(Lease, "n1", "kube-node-lease")
        await clock.sleep(10.5)
        second = await one.client.get(Lease, "n1", "kube-node-lease")
        assert (second.spec.renew_time or "") > (first.spec.renew_time or "")
        assert second.spec.holder_identity == "n1"


async def test_status_is_told_every_five_minutes_if_nothing_changes(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await clock.sleep(100)
        before = (await one.client.get(Node, "n1")).metadata.resource_version
        await clock.sleep(150)
        assert (await one.client.get(Node, "n1")).metadata.resource_version == before
        await clock.sleep(100)
        assert (await one.client.get(Node, "n1")).metadata.resource_version != before


async def test_a_pod_becomes_ready(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod())
        found = await one.until(is_ready)
        assert found.status.phase == "Running"
        assert found.status.pod_ip == "10.1.1.2"
        assert found.status.host_ip == "192.0.2.1"
        assert found.status.qos_class == "BestEffort"
        told = found.status.container_statuses[0]
        assert (told.ready, told.started, told.restart_count) == (True, True, 0)
        assert await one.reasons() == ["Pulled", "Created", "Started"]


async def test_a_job_succeeds_and_its_container_stays_for_its_log(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod(annotations={AFTER: "5"}, restartPolicy="Never"))
        found = await one.until(lambda p: p.status.phase == "Succeeded")
        ended = found.status.container_statuses[0].state.terminated
        assert ended is not None
        assert (ended.exit_code, ended.reason) == (0, "Completed")
        assert {c.type: c.reason for c in found.status.conditions if c.status == "False"} == {
            "PodReadyToStartContainers": "",
            "Ready": "PodCompleted",
            "ContainersReady": "PodCompleted",
        }
        assert len(await one.runtime.containers()) == 1


async def test_a_crashing_container_backs_off(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod(annotations={AFTER: "1", CODE: "3"}))
        found = await one.until(
            lambda p: p.status.container_statuses[0].restart_count == 3 if p.status.container_statuses else False
        )
        last = found.status.container_statuses[0].last_state.terminated
        assert last is not None
        assert (last.exit_code, last.reason) == (3, "Error")
        waiting = await one.until(lambda p: p.status.container_statuses[0].state.waiting is not None)
        state = waiting.status.container_statuses[0].state.waiting
        assert state is not None
        assert state.reason == "CrashLoopBackOff"
        assert state.message.startswith("back-off 40s restarting failed container=c pod=web_default(")
        assert waiting.status.phase == "Running"


async def test_deletion_with_grace_removes_everything(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod())
        await one.until(is_ready)
        await one.client.delete(Pod, "web", "default")
        await clock.sleep(1)
        with pytest.raises(StatusError):
            await one.pod()
        assert await one.runtime.sandboxes() == []
        assert await one.runtime.containers() == []
        assert one.kubelet.pods.workers == {}
        assert (await one.reasons())[-1] == "Killing"


@pytest.mark.parametrize(
    ("policy", "reason", "events"),
    [
        ("Never", "ErrImageNeverPull", ["ErrImageNeverPull", "Failed"]),
        ("Always", "ErrImagePull", ["Pulling", "Failed", "Failed"]),
    ],
)
async def test_an_image_that_is_not_there(clock: VirtualClock, policy: str, reason: str, events: list[str]) -> None:
    async with world(clock) as one:
        bad = {"name": "c", "image": "nowhere.invalid/app:1", "imagePullPolicy": policy}
        await one.client.create(simulated_pod(containers=[bad]))

        found = await one.until(waits_for(reason))
        assert found.status.phase == "Pending"
        assert (await one.reasons())[: len(events)] == events
        if policy == "Always":
            await one.until(waits_for("ImagePullBackOff"))


async def test_pods_that_do_not_fit_are_refused(clock: VirtualClock) -> None:
    async with world(clock) as one:
        big = {"name": "c", "image": "app:1", "resources": {"requests": {"cpu": "3"}}}
        await one.client.create(simulated_pod(containers=[big]))
        found = await one.until(lambda p: p.status.phase == "Failed")
        assert found.status.reason == "OutOfcpu"
        assert found.status.message == (
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000"
        )


async def test_a_new_process_takes_over_without_a_trace(clock: VirtualClock) -> None:
    async with machine(clock) as (client, runtime):
        async with running(clock, client, runtime) as one:
            await client.create(simulated_pod())
            await one.until(is_ready)
            await clock.sleep(1)
        before, containers = await one.pod(), await runtime.containers()
        async with running(clock, client, runtime) as other:
            await clock.sleep(5)
            assert await other.pod() == before
            assert await runtime.containers() == containers
            await client.delete(Pod, "web", "default")
            await clock.sleep(2)
            assert await runtime.containers() == []


async def test_what_happened_while_nobody_looked_is_made_good(clock: VirtualClock) -> None:
    async with machine(clock) as (client, runtime):
        async with running(clock, client, runtime) as one:
            for name in ("gone", "dead", "stays"):
                await client.create(simulated_pod(name))
                await one.until(is_ready, name)
        await client.delete(Pod, "gone", "default", grace_period_seconds=0)
        dead = next(c for c in await runtime.containers() if c.labels["io.kubernetes.pod.name"] == "dead")
        await runtime.stop_container(dead.id, 0)
        async with running(clock, client, runtime) as other:
            await clock.sleep(3)
            names = sorted(s.name for s in await runtime.sandboxes())
            assert names == ["dead", "stays"]
            assert (await other.pod("dead")).status.container_statuses[0].restart_count == 1
            assert (await other.pod("stays")).status.container_statuses[0].restart_count == 0


async def test_a_status_that_somebody_else_changed_is_put_right(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod())
        found = await one.until(is_ready)
        unready = tuple(msgspec.structs.replace(c, status="False") for c in found.status.conditions)
        status = msgspec.structs.replace(found.status, conditions=unready)
        await one.client.update(msgspec.structs.replace(found, status=status), subresource="status")
        assert not is_ready(await one.pod())
        await one.until(is_ready)


async def test_readiness_gates_decide_over_readiness_both_ways(clock: VirtualClock) -> None:
    async with world(clock) as one:
        gates = [{"conditionType": "example.com/gate"}]
        await one.client.create(simulated_pod(readinessGates=gates))
        await one.until(lambda p: p.status.phase == "Running")

        async def gate(status: str) -> None:
            patch = {"status": {"conditions": [{"type": "example.com/gate", "status": status}]}}
            await one.client.patch(Pod, "web", "default", StrategicMergePatch(patch), subresource="status")

        for _ in range(2):
            assert not is_ready(await one.pod())
            await gate("True")
            await one.until(is_ready)
            await gate("False")
            found = await one.until(lambda p: not is_ready(p))
            assert {c.type: c.status for c in found.status.conditions}["example.com/gate"] == "False", "it stays theirs"
            reason = next(c.reason for c in found.status.conditions if c.type == "Ready")
            assert reason == "ReadinessGatesNotReady"


async def test_an_eviction_for_the_nodes_sake_is_a_disruption(clock: VirtualClock) -> None:
    async with world(clock) as one:
        for name, disruption in (("poor", True), ("greedy", False)):
            await one.client.create(simulated_pod(name))
            await one.until(is_ready, name)
            worker = one.kubelet.pods.by_name("default", name)
            assert worker is not None
            worker.post(PodEvicted("Evicted", "The node was low on resource: memory.", 0, disruption))
            found = await one.until(lambda p: p.status.phase == "Failed", name)
            told = [(c.status, c.reason, c.message) for c in found.status.conditions if c.type == "DisruptionTarget"]
            wanted = ("True", "TerminationByKubelet", "The node was low on resource: memory.")
            assert told == ([wanted] if disruption else [])


async def test_a_hook_that_hangs_does_not_outlive_its_pods_grace(clock: VirtualClock) -> None:
    """Neither one after the start, nor one before the end, nor both."""
    async with world(clock) as one:
        for name, hooks in (
            ("start", {"postStart": {"sleep": {"seconds": 9000}}}),
            ("stop", {"preStop": {"sleep": {"seconds": 9000}}}),
            ("both", {"postStart": {"sleep": {"seconds": 9000}}, "preStop": {"sleep": {"seconds": 9000}}}),
        ):
            container = {"name": "c", "image": "app:1", "lifecycle": hooks}
            await one.client.create(simulated_pod(name, containers=[container], terminationGracePeriodSeconds=20))
            await clock.sleep(5)
            begun = clock.now()
            await one.client.delete(Pod, name, "default")
            with pytest.raises(StatusError):
                await one.until(lambda p: False, name)
            assert clock.now() - begun < 24
        assert await one.runtime.containers() == []


async def test_a_container_whose_first_hook_fails_is_ended_with_its_last(clock: VirtualClock) -> None:
    async with world(clock) as one:
        hooks = {"postStart": {"exec": {"command": ["false"]}}, "preStop": {"sleep": {"seconds": 7}}}
        begun = clock.now()
        await one.client.create(simulated_pod(containers=[{"name": "c", "image": "app:1", "lifecycle": hooks}]))
        await one.until(waits_for("PostStartHookError"))
        assert 7 <= clock.now() - begun < 10
        reasons = [r for r in await one.reasons() if r in ("FailedPostStartHook", "Killing")]
        assert reasons == ["FailedPostStartHook", "Killing"]


@pytest.mark.parametrize("tenths", range(0, 45, 2))
async def test_a_pod_may_be_deleted_at_any_moment_of_its_start(
    clock: VirtualClock, tenths: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a runtime that takes its time for everything, and a hook after the start."""
    async with world(clock) as one:
        for name in ("run_sandbox", "create_container", "start_container", "container"):
            work = getattr(one.runtime, name)

            def slow(work: Any) -> Any:
                async def call(*arguments: object) -> object:
                    await clock.sleep(0.5)
                    answer = await work(*arguments)
                    await clock.sleep(0.2)
                    return answer

                return call

            monkeypatch.setattr(one.runtime, name, slow(work))
        container = {"name": "c", "image": "app:1", "lifecycle": {"postStart": {"sleep": {"seconds": 1}}}}
        await one.client.create(simulated_pod(containers=[container], terminationGracePeriodSeconds=2))
        await clock.sleep(tenths / 10)
        await one.client.delete(Pod, "web", "default")
        with pytest.raises(StatusError):
            await one.until(lambda p: False, seconds=30)
        await clock.sleep(5)
        assert await one.runtime.containers() == []
        assert await one.runtime.sandboxes() == []


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        ({"os": {"name": "windows"}}, "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
        (
            {"nodeSelector": {"kubernetes.io/os": "windows"}},
            "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        ),
        (
            {"securityContext": {"sysctls": [{"name": "kernel/shmmax", "value": "1"}]}},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.shmmax" not allowlisted',
        ),
        (
            {"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}, "hostNetwork": True},
            "SysctlForbidden",
            'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled',
        ),
        ({"os": {"name": "linux"}}, "", ""),
        ({"securityContext": {"sysctls": [{"name": "kernel/shm_rmid_forced", "value": "1"}]}}, "", ""),
    ],
)
async def test_what_the_node_cannot_run(
    clock: VirtualClock, spec: dict[str, object], reason: str, message: str
) -> None:
    async with world(clock) as one:
        await one.client.create(simulated_pod(**spec))
        found = await one.until(lambda p: p.status.phase in ("Failed", "Running"))
        assert (found.status.reason, found.status.message) == (reason, message)


async def test_an_unforeseen_failure_concerns_its_pod_alone(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(clock) as one:
        create = one.runtime.create_container

        async def picky(sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
            if sandbox.name == "poison":
                raise ZeroDivisionError("nobody thought of this")
            return await create(sandbox_id, config, sandbox)

        monkeypatch.setattr(one.runtime, "create_container", picky)
        await one.client.create(simulated_pod("poison"))
        await one.client.create(simulated_pod("good"))
        await one.until(is_ready, "good")
        await one.until(waits_for("CreateContainerError"), "poison")
        monkeypatch.undo()
        await one.until(is_ready, "poison")


async def test_a_pod_goes_on_as_soon_as_its_config_map_is_there(clock: VirtualClock) -> None:
    async with world(clock) as one:
        volumes = [{"name": "v", "configMap": {"name": "conf"}}]
        await one.client.create(simulated_pod(volumes=volumes))
        await clock.sleep(60)
        assert (await one.pod()).status.phase == "Pending"
        begun = clock.now()
        await one.client.create(ConfigMap(metadata=ObjectMeta(name="conf", namespace="default"), data={"a": "1"}))
        await one.until(is_ready)
        assert clock.now() - begun < 0.5
        assert "FailedMount" in await one.reasons()


class Shown(NoPlace):
    """A place that remembers what the volume `about` last held."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def prepare(self, pod: Pod, shapes: Mapping[str, Shape]) -> None:
        about = shapes["about"]
        assert isinstance(about, Files)
        self.files = {path: file.data for path, file in about.files.items()}


LABELS = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}


@pytest.mark.parametrize("source", [{"downwardAPI": LABELS}, {"projected": {"sources": [{"downwardAPI": LABELS}]}}])
async def test_a_volume_shows_new_labels_at_once(clock: VirtualClock, source: dict[str, object]) -> None:
    place = Shown()
    async with world(clock, place) as one:
        await one.client.create(simulated_pod(volumes=[{"name": "about", **source}]))
        found = await one.until(is_ready)
        labelled = msgspec.structs.replace(found.metadata, labels={"colour": "blue"})
        await one.client.update(msgspec.structs.replace(found, metadata=labelled))
        await clock.sleep(1)
        assert place.files == {"labels": b'colour="blue"'}


def with_port(name: str, ip: str, node_selector: dict[str, str] | None = None) -> Pod:
    ports = [{"containerPort": 80, "hostPort": 8080, "hostIP": ip, "protocol": "TCP"}]
    one = {"name": "c", "image": "app:1", "imagePullPolicy": "IfNotPresent", "ports": ports}
    return simulated_pod(name, containers=[one], nodeSelector=node_selector or {})


async def test_a_port_of_the_node_is_given_once(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(with_port("first", "192.0.2.1"))
        await one.client.create(with_port("beside", "192.0.2.7"))
        for name in ("first", "beside"):
            await one.until(is_ready, name)
        await one.client.create(with_port("late", "0.0.0.0"))
        found = await one.until(lambda p: p.status.phase == "Failed", "late")
        assert (found.status.reason, found.status.message) == (
            "NodePorts",
            "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        )


async def test_a_pod_for_other_nodes_is_refused(clock: VirtualClock) -> None:
    async with world(clock) as one:
        await one.client.create(with_port("web", "", {"disk": "fast"}))
        found = await one.until(lambda p: p.status.phase == "Failed")
        assert (found.status.reason, found.status.message) == (
            "NodeAffinity",
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
