"""A pod that a container's exit restarts as a whole, in place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from pilothouse.api.types.core.v1 import PodCondition
from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker import instructions as says
from pilothouse.kubelet.podworker.restarts import restarts
from pilothouse.kubelet.podworker.state import Stage
from tests.kubelet.pods import container, ended, pod, run, sandbox
from tests.kubelet.podworker.driver import Driver, killed, of_type, started


def rules(*actions: tuple[str, str, int]) -> dict[str, Any]:
    """Rules of (action, operator, exit code), with a policy that never restarts."""
    return {
        "restartPolicy": "Never",
        "restartPolicyRules": [
            {"action": action, "exitCodes": {"operator": operator, "values": [code]}}
            for action, operator, code in actions
        ],
    }


RESTART_ALL = rules(("RestartAllContainers", "In", 42))


@pytest.mark.parametrize(
    ("actions", "code", "expected"),
    [
        ([("RestartAllContainers", "In", 42)], 42, True),
        ([("RestartAllContainers", "In", 42)], 1, False),
        ([("RestartAllContainers", "NotIn", 42)], 1, True),
        ([("Restart", "In", 42), ("RestartAllContainers", "NotIn", 0)], 42, True),
    ],
)
def test_a_rule_that_matches_restarts(actions: list[tuple[str, str, int]], code: int, expected: bool) -> None:
    spec = pod(container(**rules(*actions)), restartPolicy="Never").spec
    assert restarts(spec, (spec.containers or ())[0], code, init=False) is expected


def restarting(driver: Driver) -> PodCondition:
    return next(c for c in driver.status().conditions if c.type == "AllContainersRestarting")


def watched(init: bool = True) -> Driver:
    """A pod of two containers and an init container; the exit of `c` with 42 restarts it."""
    inits = [container("init")] if init else []
    driver = Driver(pod(container(**RESTART_ALL), container("d"), initContainers=inits, restartPolicy="Never"))
    driver.begin()
    if init:
        driver.post(events.ContainerStarted(run("init")), events.ContainerSeen(ended("init")))
    driver.post(events.ContainerStarted(run("c")), events.ContainerStarted(run("d")))
    assert restarting(driver).status == "False"
    return driver


def test_all_containers_end_without_grace_and_begin_anew_in_their_order() -> None:
    driver = watched()
    said = driver.post(events.ContainerSeen(ended("c", 42, finished=driver.now)))
    assert (killed(said), started(said)) == ([("d-0", 0)], [])
    told = restarting(driver)
    assert (told.status, told.reason) == ("True", "RestartAllContainersStarted")
    assert told.message == "container exited with restart policy rule"
    said = driver.post(events.ContainerStopped("d-0", ended("d", 137, finished=driver.now)))
    assert {i.container_id for i in of_type(says.RemoveContainer, said)} == {"init-0", "c-0", "d-0"}
    assert not any(i.log_path for i in of_type(says.RemoveContainer, said)), "logs are kept"
    assert started(said) == [("init", 1)], "at once, in the same sandbox"
    status = driver.status()
    assert (restarting(driver).status, status.phase) == ("False", "Running")
    assert [s.state.waiting is not None for s in (*status.init_container_statuses, *status.container_statuses)] == [
        True
    ] * 3
    last = status.container_statuses[0].last_state.terminated
    assert last is not None
    assert last.exit_code == 42
    driver.post(events.ContainerStarted(run("init", attempt=1)))
    said = driver.post(events.ContainerSeen(ended("init", attempt=1)))
    assert started(said) == [("c", 1), ("d", 1)]
    driver.post(events.ContainerStarted(run("c", attempt=1)), events.ContainerStarted(run("d", attempt=1)))
    assert [s.restart_count for s in driver.status().container_statuses] == [1, 1]


def test_what_the_runtime_still_shows_of_forgotten_runs_restarts_nothing() -> None:
    driver = watched(init=False)
    trigger = ended("c", 42, finished=driver.now)
    driver.post(events.ContainerSeen(trigger))
    said = driver.post(events.ContainerStopped("d-0", ended("d", 137)))
    assert started(said) == [("c", 1), ("d", 1)]
    assert driver.post(events.ContainerSeen(trigger)) == []
    driver.post(events.ContainerStarted(run("c", attempt=1)), events.ContainerStarted(run("d", attempt=1)))
    runs = (trigger, run("c", attempt=1), run("d", attempt=1))
    assert driver.post(events.RuntimeSeen((sandbox(),), runs)) == []
    assert driver.post(events.RuntimeSeen((sandbox(),), runs[1:])) == []


def test_a_start_under_way_is_waited_for_and_then_ended() -> None:
    driver = Driver(pod(container(**RESTART_ALL), container("d"), restartPolicy="Never"))
    driver.begin()
    driver.post(events.ContainerStarted(run("c")))
    assert driver.post(events.ContainerSeen(ended("c", 42))) == []
    assert killed(driver.post(events.ContainerStarted(run("d")))) == [("d-0", 0)]


def test_containers_that_were_through_run_again_too() -> None:
    driver = watched(init=False)
    driver.post(events.ContainerSeen(ended("d")))
    assert started(driver.post(events.ContainerSeen(ended("c", 42)))) == [("c", 1), ("d", 1)]
    assert driver.stage is Stage.SYNCING


def test_a_sidecar_may_restart_the_pod_whose_containers_have_ended() -> None:
    side = container("side", **{**RESTART_ALL, "restartPolicy": "Always"})
    driver = Driver(pod(initContainers=[side], restartPolicy="OnFailure"))
    driver.running("side", "c")
    said = driver.post(events.ContainerSeen(ended("side", 42)))
    assert (killed(said), driver.status().phase) == ([("c-0", 0)], "Running")
    said = driver.post(events.ContainerStopped("c-0", ended(code=137)))
    assert (started(said), driver.stage) == ([("side", 1)], Stage.SYNCING)


def test_a_restart_that_an_earlier_process_began_goes_on() -> None:
    driver = watched(init=False)
    driver.post(events.ContainerSeen(ended("c", 42)))
    later = Driver(driver.machine.state.pod)
    later.post(events.RuntimeSeen((sandbox(),), (run("d"),)))
    assert killed(later.post(events.VolumesMounted())) == [("d-0", 0)], "though the run that began it is gone"
    said = later.post(events.ContainerStopped("d-0", ended("d", 137)))
    assert started(said) == [("c", 1), ("d", 1)]


def test_a_deleted_pod_does_not_restart() -> None:
    driver = watched(init=False)
    meta = msgspec.structs.replace(driver.machine.state.pod.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    driver.post(events.PodChanged(msgspec.structs.replace(driver.machine.state.pod, metadata=meta)))
    said = driver.post(events.ContainerSeen(replace(ended("c", 42), finished_at=driver.now)))
    assert (started(said), driver.stage) == ([], Stage.TERMINATING)


def test_ephemeral_containers_go_on() -> None:
    driver = watched(init=False)
    subject = driver.machine.state.pod
    spec = pod(*[container(**RESTART_ALL), container("d")], ephemeralContainers=[container("look")]).spec
    driver.post(events.PodChanged(msgspec.structs.replace(subject, spec=spec)))
    driver.post(events.ContainerStarted(run("look")))
    said = driver.post(events.ContainerSeen(ended("c", 42)))
    assert killed(said) == [("d-0", 0)]
    said = driver.post(events.ContainerStopped("d-0", ended("d", 137)))
    assert {i.container_id for i in of_type(says.RemoveContainer, said)} == {"c-0", "d-0"}
