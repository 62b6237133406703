"""The machine of a pod: what follows from what."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from pilothouse.api.quantity import parse as quantity
from pilothouse.api.types.core.v1 import Pod, ResourceRequirements
from pilothouse.kubelet.podworker import events, resizes
from pilothouse.kubelet.podworker import instructions as says
from pilothouse.kubelet.podworker.state import Stage
from tests.kubelet.pods import container, ended, pod, run, sandbox
from tests.kubelet.podworker.driver import Driver, killed, of_type, started

PROBE = {"tcpSocket": {"port": 80}, "failureThreshold": 3}


def deleted(subject: Pod, grace: int = 30) -> events.PodChanged:
    meta = msgspec.structs.replace(
        subject.metadata, deletion_timestamp="2026-01-01T00:00:00Z", deletion_grace_period_seconds=grace
    )
    return events.PodChanged(msgspec.structs.replace(subject, metadata=meta))


def test_says_nothing_before_the_runtime_was_looked_at() -> None:
    assert Driver().post(events.PodChanged(pod())) == []


def test_mounts_then_starts_a_sandbox_then_all_containers_at_once() -> None:
    driver = Driver(pod(container("a"), container("b")))
    assert driver.post(events.RuntimeSeen((), ())) == [says.MountVolumes()]
    assert driver.post(events.VolumesMounted()) == [says.StartSandbox(0)]
    assert driver.post(events.SandboxStarted(sandbox())) == [
        says.StartContainer("a", 0, "s0"),
        says.StartContainer("b", 0, "s0"),
    ]


def test_asks_for_nothing_twice_while_it_is_under_way() -> None:
    driver = Driver()
    driver.begin()
    assert driver.post(events.TimeReached(), events.PodChanged(pod())) == []


@pytest.mark.parametrize("failure", range(4))
def test_volumes_are_tried_again_with_growing_delay(failure: int) -> None:
    driver = Driver()
    driver.post(events.RuntimeSeen((), ()))
    for _ in range(failure):
        driver.post(events.VolumesFailed("x"))
        driver.after(16.0)
    said = driver.post(events.VolumesFailed("no such thing"))
    assert said == [says.Record("Warning", "FailedMount", "no such thing")]
    assert driver.after(0.5 * 2**failure - 0.01) == []
    assert driver.after(0.02) == [says.MountVolumes()]


def test_a_sandbox_that_fails_is_told_of_and_tried_again() -> None:
    driver = Driver()
    driver.post(events.RuntimeSeen((), ()), events.VolumesMounted())
    said = driver.post(events.SandboxFailed("no network"))
    assert said == [says.Record("Warning", "FailedCreatePodSandBox", "Failed to create pod sandbox: no network")]
    assert driver.after(1.0) == [says.StartSandbox(0)]


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy: str, code: int, again: bool) -> None:
    driver = Driver(pod(restartPolicy=policy))
    driver.running()
    said = driver.post(events.ContainerSeen(ended(code=code, finished=driver.now)))
    assert started(said) == ([("c", 1)] if again else [])
    assert driver.stage is (Stage.SYNCING if again else Stage.TERMINATING)


def test_restarts_back_off_from_ten_seconds_doubling_to_five_minutes() -> None:
    driver = Driver()
    driver.running()
    said = driver.post(events.ContainerSeen(ended(code=1, finished=driver.now)))
    assert started(said) == [("c", 1)], "the first restart is at once"
    told = []
    for attempt in range(1, 9):
        driver.post(events.ContainerStarted(run(attempt=attempt)))
        said = driver.post(events.ContainerSeen(ended(code=1, attempt=attempt, finished=driver.now)))
        assert [r.reason for r in of_type(says.Record, said)] == ["BackOff"]
        waiting = driver.machine.state.waiting["c"]
        assert waiting.reason == "CrashLoopBackOff"
        told.append(waiting.message.split()[1])
        assert started(driver.after(waiting.until - driver.now - 0.1)) == []
        assert started(driver.after(0.2)) == [("c", attempt + 1)]
    assert told == ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s", "5m0s"]


@pytest.mark.parametrize(
    ("lived", "expected"),
    [(1.0, "1m20s"), (700.0, "")],
    ids=["died soon", "ten minutes in peace are forgiven"],
)
def test_back_off_is_forgotten_after_a_long_life(lived: float, expected: str) -> None:
    driver = Driver()
    driver.running()
    driver.post(events.ContainerSeen(ended(code=1, finished=driver.now)))
    for attempt in range(1, 4):
        driver.post(events.ContainerStarted(run(attempt=attempt)))
        driver.post(events.ContainerSeen(ended(code=1, attempt=attempt, finished=driver.now)))
        driver.after(100.0)
    driver.post(events.ContainerStarted(run(attempt=4)))
    driver.now += lived
    said = driver.post(events.ContainerSeen(ended(code=1, attempt=4, finished=driver.now)))
    waiting = driver.machine.state.waiting.get("c")
    assert (waiting.message.split()[1] if waiting else "") == expected
    assert bool(started(said)) is not bool(expected)


def test_a_container_that_cannot_start_waits_with_its_reason() -> None:
    driver = Driver()
    driver.begin()
    driver.post(events.ContainerFailed("c", "ErrImagePull", "no such image", 5.0))
    assert driver.status().container_statuses[0].state.waiting.reason == "ErrImagePull"  # type: ignore[union-attr]
    assert driver.after(4.9) == []
    assert started(driver.after(0.2)) == [("c", 0)]


def test_init_containers_run_one_after_the_other() -> None:
    driver = Driver(pod(initContainers=[container("one"), container("two")]))
    assert started(driver.begin()) == [("one", 0)]
    assert driver.post(events.ContainerStarted(run("one"))) == []
    assert started(driver.post(events.ContainerSeen(ended("one")))) == [("two", 0)]
    driver.post(events.ContainerStarted(run("two")))
    assert started(driver.post(events.ContainerSeen(ended("two")))) == [("c", 0)]


@pytest.mark.parametrize(("policy", "again"), [("Always", True), ("OnFailure", True), ("Never", False)])
def test_a_failed_init_container_is_tried_again_or_ends_the_pod(policy: str, again: bool) -> None:
    driver = Driver(pod(initContainers=[container("one")], restartPolicy=policy))
    driver.begin()
    driver.post(events.ContainerStarted(run("one")))
    said = driver.post(events.ContainerSeen(ended("one", 1, finished=driver.now)))
    assert started(said) == ([("one", 1)] if again else [])
    assert driver.stage is (Stage.SYNCING if again else Stage.TERMINATING)
    assert driver.status().phase == ("Pending" if again else "Failed")


def test_a_sidecar_runs_on_and_lets_the_next_start_once_it_has_started() -> None:
    side = container("side", restartPolicy="Always", startupProbe=PROBE)
    driver = Driver(pod(initContainers=[side], restartPolicy="Never"))
    assert started(driver.begin()) == [("side", 0)]
    said = driver.post(events.ContainerStarted(run("side")))
    assert started(said) == []
    assert of_type(says.ProbeContainer, said) == [says.ProbeContainer("side", "side-0", False, False)]
    said = driver.post(events.ProbeChanged("side-0", events.Probe.STARTUP, True))
    assert started(said) == [("c", 0)]
    driver.post(events.ContainerStarted(run()))
    said = driver.post(events.ContainerSeen(ended("side", 0, finished=driver.now)))
    assert started(said) == [("side", 1)], "whatever the pod's policy"


def turns(said: list[says.Instruction]) -> list[str]:
    return [i.container_id for i in of_type(says.TakeTurn, said)]


def test_sidecars_hear_of_the_end_with_the_others_and_then_take_turns_in_reverse_order() -> None:
    sides = [container(name, restartPolicy="Always") for name in ("s1", "s2")]
    driver = Driver(pod(initContainers=sides))
    driver.running("s1", "s2", "c")
    said = driver.post(deleted(driver.machine.state.pod))
    assert {(k.container_id, k.grace_seconds, k.in_turn) for k in of_type(says.KillContainer, said)} == {
        ("c-0", 30, False),
        ("s1-0", 30, True),
        ("s2-0", 30, True),
    }
    assert turns(said) == []
    driver.now += 10
    said = driver.post(events.ContainerStopped("c-0", ended()))
    assert (killed(said), turns(said)) == ([], ["s2-0"])
    assert driver.after(1) == []
    assert turns(driver.post(events.ContainerStopped("s2-0", ended("s2")))) == ["s1-0"]
    assert driver.post(events.ContainerStopped("s1-0", ended("s1"))) == [says.StopSandbox("s0")]


def test_a_finished_job_ends_its_sidecars_and_succeeds() -> None:
    driver = Driver(pod(initContainers=[container("side", restartPolicy="Always")], restartPolicy="Never"))
    driver.running("side", "c")
    said = driver.post(events.ContainerSeen(ended()))
    assert killed(said) == [("side-0", 30)]
    assert driver.status().phase == "Running", "not before the last container has ended"
    assert driver.post(events.ContainerStopped("side-0", ended("side", 143))) == [says.StopSandbox("s0")]
    assert driver.post(events.SandboxStopped("s0")) == [says.RemoveVolumes()]
    assert driver.post(events.VolumesRemoved()) == []
    assert driver.status().phase == "Succeeded"


def test_deletion_kills_stops_unmounts_tells_and_forgets_in_this_order() -> None:
    driver = Driver()
    driver.running()
    said = driver.post(deleted(driver.machine.state.pod, 5))
    assert said == [says.KillContainer("c-0", "c", 5, "Stopping container c")]
    assert driver.post(events.ContainerStopped("c-0", ended(code=143))) == [says.StopSandbox("s0")]
    assert driver.post(events.SandboxStopped("s0")) == [says.RemoveVolumes()]
    assert driver.post(events.VolumesRemoved()) == [says.FinishDeletion()]
    assert driver.post(events.PodRemoved()) == [says.RemoveSandbox("s0"), says.Forget()]
    assert driver.stage is Stage.OVER
    assert driver.post(events.TimeReached()) == []


def test_a_second_deletion_with_less_grace_overtakes_the_first() -> None:
    driver = Driver()
    driver.running()
    driver.post(deleted(driver.machine.state.pod, 30))
    assert killed(driver.post(deleted(driver.machine.state.pod, 30))) == []
    driver.now += 10
    assert driver.post(deleted(driver.machine.state.pod, 40)) == [], "never more than was granted"
    assert driver.post(deleted(driver.machine.state.pod, 25)) == [], "counted from now, that is no sooner"
    assert driver.post(deleted(driver.machine.state.pod, 1)) == [says.ShortenGrace("c-0", 1)]
    assert driver.after(30) == []


def test_a_kill_that_a_probe_asked_for_is_not_begun_again_by_the_pods_end() -> None:
    driver = Driver(pod(container(livenessProbe=PROBE), terminationGracePeriodSeconds=60))
    driver.running()
    said = driver.post(events.ProbeChanged("c-0", events.Probe.LIVENESS, False, "dead"))
    assert killed(said) == [("c-0", 60)]
    assert driver.post(deleted(driver.machine.state.pod, 5)) == [says.ShortenGrace("c-0", 5)]


@pytest.mark.parametrize("rule", [{"restartPolicy": "Always"}, {"restartPolicyRules": "42"}])
def test_a_containers_own_policy_goes_before_its_pods(rule: dict[str, object]) -> None:
    """It is started again after every exit, and its pod runs while it waits for that."""
    if "restartPolicyRules" in rule:
        codes = {"operator": "In", "values": [42]}
        rule = {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": codes}]}
    driver = Driver(pod(container(**rule), restartPolicy="Never"))
    driver.running()
    for attempt in range(3):
        driver.post(events.ContainerSeen(ended(code=42, attempt=attempt, finished=driver.now)))
        assert driver.status().phase == "Running"
        driver.after(60)
        assert driver.status().phase == "Running"
        driver.post(events.ContainerStarted(run(attempt=attempt + 1)))
    driver.post(events.ContainerSeen(ended(code=0, attempt=3, finished=driver.now)))
    assert (driver.stage is Stage.SYNCING) == (rule["restartPolicy"] == "Always")


def test_a_pod_that_vanishes_from_the_api_is_ended() -> None:
    driver = Driver()
    driver.running()
    assert killed(driver.post(events.PodRemoved())) == [("c-0", 30)]


def test_deletion_while_a_container_starts_gives_the_start_up() -> None:
    driver = Driver()
    driver.begin()
    assert driver.post(deleted(driver.machine.state.pod)) == [says.AbandonStarts()]
    said = driver.post(events.ContainerFailed("c", "ContainerCreating", "", 0.0))
    assert said == [says.StopSandbox("s0")]


def test_a_start_that_was_too_far_to_give_up_is_killed() -> None:
    driver = Driver()
    driver.begin()
    driver.post(deleted(driver.machine.state.pod))
    assert killed(driver.post(events.ContainerStarted(run()))) == [("c-0", 30)]


def test_a_rejected_pod_fails_without_starting_anything() -> None:
    driver = Driver()
    driver.post(events.PodRejected("OutOfcpu", "too small"))
    assert driver.post(events.RuntimeSeen((), ())) == [says.RemoveVolumes()]
    driver.post(events.VolumesRemoved())
    status = driver.status()
    assert (status.phase, status.reason, status.container_statuses) == ("Failed", "OutOfcpu", ())


def test_the_active_deadline_fails_the_pod() -> None:
    driver = Driver(pod(activeDeadlineSeconds=60))
    driver.running()
    said = driver.after(60.0)
    assert [r.reason for r in of_type(says.Record, said)] == ["DeadlineExceeded"]
    assert killed(said) == [("c-0", 30)]
    assert driver.status().reason == "DeadlineExceeded"


def test_an_eviction_takes_its_own_grace() -> None:
    driver = Driver()
    driver.running()
    assert killed(driver.post(events.PodEvicted("Evicted", "the node was low on memory", 0))) == [("c-0", 1)]


@pytest.mark.parametrize(
    ("probe", "kind"), [("livenessProbe", events.Probe.LIVENESS), ("startupProbe", events.Probe.STARTUP)]
)
def test_a_failed_probe_kills_and_the_restart_policy_decides(probe: str, kind: events.Probe) -> None:
    driver = Driver(pod(container(**{probe: {**PROBE, "terminationGracePeriodSeconds": 7}})))
    driver.running()
    said = driver.post(events.ProbeChanged("c-0", kind, False))
    text = f"Container c failed {kind.value} probe, will be restarted"
    assert said == [says.KillContainer("c-0", "c", 7, text)]
    assert driver.post(events.ProbeChanged("c-0", kind, False)) == [], "once"
    assert started(driver.post(events.ContainerStopped("c-0", ended(code=137, finished=driver.now)))) == [("c", 1)]


def test_readiness_changes_nothing_but_the_status() -> None:
    driver = Driver(pod(container(readinessProbe=PROBE)))
    driver.running()
    assert not driver.status().container_statuses[0].ready
    assert driver.post(events.ProbeChanged("c-0", events.Probe.READINESS, True)) == []
    assert driver.status().container_statuses[0].ready
    driver.post(events.ProbeChanged("c-0", events.Probe.READINESS, False))
    assert not driver.status().container_statuses[0].ready


def test_a_dead_sandbox_is_replaced_with_all_its_containers() -> None:
    driver = Driver(pod(initContainers=[container("one")]))
    driver.begin()
    driver.post(events.ContainerStarted(run("one")), events.ContainerSeen(ended("one")))
    driver.post(events.ContainerStarted(run()))
    said = driver.post(events.SandboxSeen(sandbox(ready=False)))
    assert said == [says.KillContainer("c-0", "c", 30, "Stopping container c")], "with its hook and its grace"
    assert driver.after(1) == []
    said = driver.post(events.ContainerStopped("c-0", ended(code=143, finished=driver.now)))
    assert says.StopSandbox("s0") in said
    assert says.StartSandbox(1) in said
    assert [r.reason for r in of_type(says.Record, said)] == ["SandboxChanged"]
    said = driver.post(events.SandboxStarted(sandbox("s1", 1)))
    assert started(said) == [("one", 1)], "init containers run again"


def test_a_new_image_replaces_the_running_container() -> None:
    driver = Driver()
    driver.running()
    old = driver.machine.state.containers["c-0"]
    from dataclasses import replace

    driver.machine.state.containers["c-0"] = replace(old, annotations={"io.kubernetes.container.hash": "other"})
    said = driver.post(events.TimeReached())
    assert [k.message for k in of_type(says.KillContainer, said)] == [
        "Container c definition changed, will be restarted"
    ]


@pytest.mark.parametrize(
    "outcome", [events.ContainerStarted(run(attempt=1)), events.ContainerFailed("c", "E", "no", 9)]
)
def test_a_replaced_container_is_told_of_when_its_successor_has_started_or_failed(outcome: events.Event) -> None:
    driver = Driver(pod(container(livenessProbe=PROBE)))
    driver.running()
    driver.handle(events.ProbeChanged("c-0", events.Probe.LIVENESS, success=False))
    said = driver.handle(events.ContainerStopped("c-0", ended(code=137)))
    assert started(said) == [("c", 1)]
    assert not of_type(says.ReportStatus, said), "Ready would drop and come back"
    assert of_type(says.ReportStatus, driver.handle(outcome))


def test_a_container_that_ended_by_itself_is_told_of_at_once() -> None:
    driver = Driver()
    driver.running()
    said = driver.handle(events.ContainerSeen(ended(code=1, finished=driver.now)))
    assert started(said) == [("c", 1)]
    assert of_type(says.ReportStatus, said)


def test_ephemeral_containers_start_once_and_never_again() -> None:
    driver = Driver()
    driver.running()
    spec = driver.machine.state.pod.spec
    debug = pod(ephemeralContainers=[container("debug")]).spec.ephemeral_containers
    changed = msgspec.structs.replace(
        driver.machine.state.pod, spec=msgspec.structs.replace(spec, ephemeral_containers=debug)
    )
    assert started(driver.post(events.PodChanged(changed))) == [("debug", 0)]
    driver.post(events.ContainerStarted(run("debug")))
    assert driver.post(events.ContainerSeen(ended("debug", 1))) == []


def test_what_ran_before_our_time_is_taken_over_as_it_is() -> None:
    subject = pod(container(readinessProbe=PROBE))
    told = msgspec.structs.replace(subject, status=Driver(subject).status())
    from pilothouse.api.types.core.v1 import ContainerStatus

    status = ContainerStatus(name="c", container_id="containerd://c-0", ready=True, started=True)
    told = msgspec.structs.replace(
        told, status=msgspec.structs.replace(told.status, phase="Running", container_statuses=(status,))
    )
    driver = Driver(told)
    said = driver.post(events.RuntimeSeen((sandbox(),), (run(),)))
    assert of_type(says.ProbeContainer, said) == [says.ProbeContainer("c", "c-0", True, True)]
    assert driver.post(events.VolumesMounted()) == []
    assert driver.status().container_statuses[0].ready, "readiness outlives the node's process"


def test_a_finished_pod_is_not_started_again_by_a_new_process() -> None:
    subject = pod(restartPolicy="Never")
    over = msgspec.structs.replace(subject, status=msgspec.structs.replace(subject.status, phase="Succeeded"))
    driver = Driver(over)
    assert driver.post(events.RuntimeSeen((), ())) == [says.RemoveVolumes()]
    assert driver.status().phase == "Succeeded"


def test_old_views_of_a_container_do_not_bring_it_back_to_life() -> None:
    driver = Driver(pod(restartPolicy="Never"))
    driver.begin()
    driver.post(events.ContainerSeen(ended(code=3)))
    driver.post(events.ContainerStarted(run()))
    assert driver.machine.state.containers["c-0"].exit_code == 3
    assert driver.stage is Stage.TERMINATING


def resized(driver: Driver, memory: str) -> events.PodChanged:
    subject = driver.machine.state.pod
    spec = pod(container(resources={"limits": {"memory": memory}}, **POLICY)).spec
    return events.PodChanged(msgspec.structs.replace(subject, spec=spec))


POLICY = {
    "resizePolicy": [
        {"resourceName": "memory", "restartPolicy": "RestartContainer"},
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
    ]
}


def test_new_limits_are_applied_in_place_and_told_when_they_are() -> None:
    driver = Driver(pod(container(resources={"limits": {"cpu": "1"}})))
    driver.running()
    wanted = pod(container(resources={"limits": {"cpu": "2"}}))
    changed = msgspec.structs.replace(driver.machine.state.pod, spec=wanted.spec)
    assert driver.post(events.PodChanged(changed)) == [says.ResizePod(("c-0",))]
    assert driver.post(events.TimeReached()) == [], "once"

    def told() -> str:
        resources = driver.status().container_statuses[0].resources
        assert resources is not None
        return str(resources.limits["cpu"])

    assert told() == "1"
    new = (wanted.spec.containers or ())[0].resources
    assert "PodResizeInProgress" in {c.type for c in driver.status().conditions}
    assert driver.post(events.ContainerResized("c-0", new)) == []
    said = driver.post(events.PodResized(resizes.resources(wanted.spec)))
    assert [r.reason for r in of_type(says.Record, said)] == ["ResizeCompleted"]
    assert "PodResizeInProgress" not in {c.type for c in driver.status().conditions}
    assert told() == "2"


def test_new_limits_that_need_a_restart_get_one() -> None:
    driver = Driver(pod(container(resources={"limits": {"memory": "1Gi"}}, **POLICY)))
    driver.running()
    said = driver.post(resized(driver, "2Gi"))
    assert [k.message for k in of_type(says.KillContainer, said)] == ["Container c resize requires restart"]
    said = driver.post(events.ContainerStopped("c-0", ended()))
    assert said == [says.ResizePod(())], "the pod's own cgroup before the container that needs the room"
    granted = resizes.resources(driver.machine.state.spec)
    assert started(driver.post(events.PodResized(granted))) == [("c", 1)]
    assert [r.reason for r in of_type(says.Record, driver.post(events.ContainerStarted(run("c", attempt=1))))] == [
        "ResizeCompleted"
    ]


def test_a_resize_that_fails_is_told_and_tried_again() -> None:
    driver = Driver(pod(container(resources={"limits": {"memory": "2Gi"}})))
    driver.running()
    changed = msgspec.structs.replace(
        driver.machine.state.pod, spec=pod(container(resources={"limits": {"memory": "1Gi"}})).spec
    )
    assert driver.post(events.PodChanged(changed)) == [says.ResizePod(("c-0",))]
    assert [r.reason for r in of_type(says.Record, driver.post(events.PodResizeFailed("too much in use")))] == [
        "ResizeError"
    ]
    told = next(c for c in driver.status().conditions if c.type == "PodResizeInProgress")
    assert (told.status, told.reason, told.message) == ("True", "Error", "too much in use")
    assert driver.after(9) == []
    assert driver.after(1) == [says.ResizePod(("c-0",))]
    assert driver.post(events.PodResizeFailed("too much in use")) == [], "told once"
    changed = msgspec.structs.replace(changed, spec=pod(container(resources={"limits": {"memory": "3Gi"}})).spec)
    assert driver.post(events.PodChanged(changed)) == [says.ResizePod(("c-0",))], "asked for anew: at once"
    told = next(c for c in driver.status().conditions if c.type == "PodResizeInProgress")
    assert (told.reason, told.message) == ("", "")


def test_a_limit_of_the_pod_is_that_of_its_containers_without_one() -> None:
    driver = Driver(pod(container(**POLICY), resources={"limits": {"memory": "1Gi", "cpu": "1"}}))
    driver.running()

    def granted(memory: str, cpu: str) -> events.PodChanged:
        spec = pod(container(**POLICY), resources={"limits": {"memory": memory, "cpu": cpu}}).spec
        return events.PodChanged(msgspec.structs.replace(driver.machine.state.pod, spec=spec))

    assert driver.post(granted("1Gi", "2")) == [says.ResizePod(("c-0",))]
    assert driver.status().container_statuses[0].resources == ResourceRequirements()
    spec = driver.machine.state.spec
    limits = spec.resources.limits if spec.resources is not None else {}
    driver.post(events.ContainerResized("c-0", ResourceRequirements(limits=limits)))
    said = driver.post(events.PodResized(resizes.resources(spec)))
    assert [r.reason for r in of_type(says.Record, said)] == ["ResizeCompleted"]
    said = driver.post(granted("2Gi", "2"))
    assert [k.message for k in of_type(says.KillContainer, said)] == ["Container c resize requires restart"]


def test_a_debugger_has_no_part_in_a_resize() -> None:
    def with_limit(cpu: str) -> Pod:
        debugger = {"name": "d", "image": "d:1"}
        return pod(resources={"limits": {"cpu": cpu}}, ephemeralContainers=[debugger])

    driver = Driver(with_limit("1"))
    driver.running("c", "d")
    changed = msgspec.structs.replace(driver.machine.state.pod, spec=with_limit("2").spec)
    assert driver.post(events.PodChanged(changed)) == [says.ResizePod(("c-0",))]
    limits = {"cpu": quantity("2")}
    driver.post(events.ContainerResized("c-0", ResourceRequirements(limits=limits)))
    said = driver.post(events.PodResized(resizes.resources(changed.spec)))
    assert [r.reason for r in of_type(says.Record, said)] == ["ResizeCompleted"]


def test_a_container_that_ended_shows_what_it_would_be_held_to() -> None:
    subject = pod(container(resources={"requests": {"cpu": "1"}}), restartPolicy="Never")
    driver = Driver(subject)
    driver.running()
    driver.post(events.ContainerSeen(ended()))
    told = driver.status().container_statuses[0]
    assert told.state.terminated is not None
    assert told.resources == (subject.spec.containers or ())[0].resources
    assert told.allocated_resources == {"cpu": quantity("1")}


def test_a_sandbox_is_over_when_its_stop_is_through_and_not_before() -> None:
    driver = Driver()
    driver.running()
    driver.post(deleted(driver.machine.state.pod))
    assert driver.post(events.ContainerStopped("c-0", ended(code=143))) == [says.StopSandbox("s0")]
    assert driver.post(events.SandboxSeen(sandbox(ready=False))) == [], "its network is still being torn down"
    assert driver.post(events.SandboxStopped("s0")) == [says.RemoveVolumes()]


def test_each_end_of_a_container_is_counted_once_and_none_from_before_our_time() -> None:
    driver = Driver()
    before = driver.handle(events.RuntimeSeen((sandbox(),), (ended(code=1),)))
    assert of_type(says.CountTermination, before) == []
    driver.post(events.VolumesMounted(), events.ContainerStarted(run(attempt=1)))
    dead = ended(code=139, attempt=1, finished=driver.now)
    said = [*driver.handle(events.ContainerSeen(dead)), *driver.handle(events.ContainerStopped(dead.id, dead))]
    assert of_type(says.CountTermination, said) == [says.CountTermination("c", 139, "Error")]


def test_a_container_that_never_came_to_run_started_in_1970() -> None:
    driver = Driver(pod(restartPolicy="Never"))
    driver.begin()
    failed = replace(ended(code=128, finished=driver.now), started_at=0.0, reason="StartError", message="no such file")
    driver.post(events.ContainerSeen(failed))
    shown = driver.status().container_statuses[0].state.terminated
    assert shown is not None
    assert (shown.reason, shown.exit_code, shown.started_at) == ("StartError", 128, "1970-01-01T00:00:00Z")
    assert shown.finished_at == "1970-01-01T00:16:40Z"
