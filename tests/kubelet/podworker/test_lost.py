"""What the status of a pod that is over says of containers nobody has seen end."""

from __future__ import annotations

import pytest

from pilothouse.api.types.core.v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from pilothouse.kubelet.podworker import events
from pilothouse.kubelet.podworker.lost import located
from tests.kubelet.pods import container, ended, pod
from tests.kubelet.podworker.driver import Driver

STATES = {
    "waiting": ContainerState(waiting=ContainerStateWaiting(reason="PodInitializing")),
    "running": ContainerState(running=ContainerStateRunning()),
    "done": ContainerState(terminated=ContainerStateTerminated(exit_code=0, reason="Completed")),
    "failed": ContainerState(terminated=ContainerStateTerminated(exit_code=1, reason="Error")),
}


def statuses(*states: str) -> tuple[ContainerStatus, ...]:
    return tuple(ContainerStatus(name=f"c{i}", state=STATES[state]) for i, state in enumerate(states))


def shown(found: tuple[ContainerStatus, ...]) -> list[str]:
    names = {id(state): name for name, state in STATES.items()}
    return [names.get(id(s.state), s.state.terminated.reason if s.state.terminated else "?") for s in found]


LOST = "ContainerStatusUnknown"


@pytest.mark.parametrize(
    ("init", "regular", "init_after", "regular_after"),
    [
        ((), ("waiting",), [], [LOST]),
        ((), ("done", "running"), [], ["done", LOST]),
        (("failed", "waiting"), ("waiting",), ["failed", "waiting"], ["waiting"]),
        (("waiting", "waiting"), ("waiting",), [LOST, "waiting"], ["waiting"]),
        (("done", "running", "waiting"), ("waiting",), ["done", LOST, "waiting"], ["waiting"]),
        (("done", "done"), ("waiting",), ["done", "done"], [LOST]),
        (("waiting", "done"), ("failed", "waiting"), [LOST, "done"], ["failed", LOST]),
    ],
)
def test_what_may_have_run_is_lost_and_what_the_pod_never_came_to_waits(
    init: tuple[str, ...], regular: tuple[str, ...], init_after: list[str], regular_after: list[str]
) -> None:
    specs = pod(initContainers=[container(f"c{i}") for i in range(len(init))]).spec.init_containers
    first, second = located(specs, statuses(*init), statuses(*regular))
    assert (shown(first), shown(second)) == (init_after, regular_after)


def test_a_pod_that_failed_in_its_first_init_container() -> None:
    driver = Driver(pod(container("app"), initContainers=[container("one"), container("two")], restartPolicy="Never"))
    driver.begin()
    driver.post(events.ContainerStarted(ended("one", 1)))
    driver.post(events.VolumesRemoved())
    status = driver.status()
    assert status.phase == "Failed"
    for told in (status.init_container_statuses[1], status.container_statuses[0]):
        assert told.state.waiting is not None, told
        assert told.state.waiting.reason == "PodInitializing"
