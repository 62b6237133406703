"""Resizes in place, on real cgroups: of containers and of pods, granted, waiting, impossible, failing."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually

pytestmark = pytest.mark.e2e
NODE = "node-2"
MiB = 1 << 20
PODS = f"""
apiVersion: v1
kind: Pod
metadata: {{name: sized, labels: {{app: resize}}}}
spec:
  nodeName: {NODE}
  terminationGracePeriodSeconds: 1
  containers:
  - name: restarts
    image: {web.IMAGES[0]}
    command: [sh, -c, "trap exit TERM; while :; do sleep 0.1; done"]
    resources: {{requests: {{cpu: 20m, memory: 16Mi}}, limits: {{cpu: 100m, memory: 32Mi}}}}
    resizePolicy:
    - {{resourceName: cpu, restartPolicy: RestartContainer}}
    - {{resourceName: memory, restartPolicy: RestartContainer}}
  - name: stays
    image: {web.IMAGES[0]}
    command: [sh, -c, "head -c 20m /dev/zero > /memory/x; sleep 100000"]
    resources: {{requests: {{cpu: 20m, memory: 16Mi}}, limits: {{cpu: 100m, memory: 64Mi}}}}
    volumeMounts: [{{name: memory, mountPath: /memory}}]
  volumes: [{{name: memory, emptyDir: {{medium: Memory}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: whole, labels: {{app: resize}}}}
spec:
  nodeName: {NODE}
  terminationGracePeriodSeconds: 1
  resources: {{requests: {{cpu: 60m, memory: 32Mi}}, limits: {{cpu: 100m, memory: 64Mi}}}}
  containers:
  - {{name: shares, image: {web.IMAGES[0]}, command: [sleep, "100000"]}}
  - name: own
    image: {web.IMAGES[0]}
    command: [sleep, "100000"]
    resources: {{limits: {{cpu: 50m, memory: 16Mi}}}}
"""


@pytest.fixture(scope="module")
def sized(cluster: Cluster) -> Iterator[Cluster]:
    try:
        cluster.apply(PODS)
        cluster.kubectl("wait", "pod", "-l", "app=resize", "--for=condition=Ready", "--timeout=30s")
        yield cluster
    finally:
        cluster.kubectl("delete", "pod", "-l", "app=resize", "--now")


def resize(cluster: Cluster, pod: str, **containers: dict[str, dict[str, str]]) -> None:
    """Ask for other resources of containers by name, of the pod as a whole by `whole`."""
    whole = containers.pop("whole", None)
    spec: dict[str, Any] = {"containers": [{"name": name, "resources": more} for name, more in containers.items()]}
    body = {"spec": spec if whole is None else {"resources": whole}}
    cluster.kubectl("patch", "pod", pod, "--subresource=resize", "-p", json.dumps(body))


def condition(pod: dict[str, Any], which: str) -> tuple[str, str]:
    """(reason, message) of a condition that is True; two empty texts without."""
    found = (c for c in pod["status"]["conditions"] if c["type"] == which and c["status"] == "True")
    return next(((c.get("reason", ""), c.get("message", "")) for c in found), ("", ""))


def settled(cluster: Cluster, name: str) -> dict[str, Any]:
    """The pod, once what it asks for has been carried out."""

    def done() -> dict[str, Any] | None:
        pod: dict[str, Any] = cluster.get("pod", name)
        types = {c["type"] for c in pod["status"]["conditions"]}
        seen = pod["status"].get("observedGeneration") == pod["metadata"]["generation"]
        ready = all(s["ready"] for s in pod["status"]["containerStatuses"])
        return pod if seen and ready and not types & {"PodResizePending", "PodResizeInProgress"} else None

    found: dict[str, Any] = eventually(done, 30, f"{name} is resized")
    return found


def limits(cluster: Cluster, pod: dict[str, Any], container: str = "") -> tuple[int, int]:
    """(thousandths of a core, MiB) that the kernel holds a container to, or the pod."""
    below = f"pilothouse-{cluster.name}-{NODE}/kubepods/burstable/pod{pod['metadata']['uid']}"
    if container:
        statuses = {s["name"]: s["containerID"] for s in pod["status"]["containerStatuses"]}
        below += "/" + statuses[container].partition("//")[2]
    root = pathlib.Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        quota, period = (root / below / "cpu.max").read_text().split()
        return int(quota) * 1000 // int(period), int((root / below / "memory.max").read_text()) // MiB
    quota, period = ((root / "cpu" / below / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
    memory = (root / "memory" / below / "memory.limit_in_bytes").read_text()
    return int(quota) * 1000 // int(period), int(memory) // MiB


def test_containers_are_resized_in_place_or_restarted_as_their_policy_says(sized: Cluster) -> None:
    more = {"limits": {"cpu": "200m", "memory": "96Mi"}}
    resize(sized, "sized", stays=more)
    pod = settled(sized, "sized")
    assert [s["restartCount"] for s in pod["status"]["containerStatuses"]] == [0, 0]
    assert limits(sized, pod, "stays") == (200, 96)
    assert limits(sized, pod) == (300, 128)
    resize(sized, "sized", restarts={"limits": {"cpu": "400m", "memory": "64Mi"}})
    pod = settled(sized, "sized")
    assert [s["restartCount"] for s in pod["status"]["containerStatuses"]] == [1, 0]
    assert limits(sized, pod, "restarts") == (400, 64)
    assert limits(sized, pod) == (600, 160), "its pod has grown with it"
    resize(sized, "sized", stays={"limits": {"cpu": "50m", "memory": "64Mi"}})
    pod = settled(sized, "sized")
    assert limits(sized, pod, "stays") == (50, 64)
    assert limits(sized, pod) == (450, 128)


def test_a_limit_below_what_is_in_use_is_told_and_not_set(sized: Cluster) -> None:
    before = sized.get("pod", "sized")
    held = limits(sized, before, "stays"), limits(sized, before)
    resize(sized, "sized", stays={"limits": {"memory": "18Mi"}})

    def failed() -> str:
        reason, message = condition(sized.get("pod", "sized"), "PodResizeInProgress")
        return message if reason == "Error" else ""

    told = eventually(failed, 20, "the resize fails")
    assert told.startswith(
        'cannot decrease memory limits: attempting to set container "stays" memory limit (18874368) below current usage'
    )
    assert (limits(sized, before, "stays"), limits(sized, before)) == held
    eventually(lambda: "ResizeError" in reasons(sized, "sized"), 10, "an event tells of it")
    resize(sized, "sized", stays={"limits": {"memory": "64Mi"}})
    settled(sized, "sized")


def reasons(cluster: Cluster, pod: str) -> set[str]:
    events = cluster.get("events", "--field-selector", f"involvedObject.name={pod}")["items"]
    return {event["reason"] for event in events}


def test_what_does_not_fit_waits_for_room_or_is_never_granted(sized: Cluster) -> None:
    cpus = int(sized.get("node", NODE)["status"]["allocatable"]["cpu"])
    large = f"{cpus * 1000 - 500}m"
    filler = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "filler", "labels": {"app": "resize"}},
        "spec": {
            "nodeName": NODE,
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "c",
                    "image": web.IMAGES[0],
                    "command": ["sleep", "100000"],
                    "resources": {"requests": {"cpu": "600m"}},
                }
            ],
        },
    }

    def waits(reason: str, message: str) -> None:
        def check() -> bool:
            told = condition(sized.get("pod", "whole"), "PodResizePending")
            return told[0] == reason and told[1].startswith(message)

        eventually(check, 20, f"the resize is {reason}")

    sized.apply(json.dumps(filler))
    try:
        sized.kubectl("wait", "pod", "filler", "--for=condition=Ready", "--timeout=30s")
        resize(sized, "whole", whole={"requests": {"cpu": large}, "limits": {"cpu": large}})
        waits("Deferred", "Node didn't have enough resource: cpu, requested: ")
        assert limits(sized, sized.get("pod", "whole"))[0] == 100, "as it was"
        impossible = f"{cpus + 1}"
        resize(sized, "whole", whole={"requests": {"cpu": impossible}, "limits": {"cpu": impossible}})
        waits("Infeasible", f"Node didn't have enough capacity: cpu, requested: {cpus + 1}000, capacity: {cpus}000")
        resize(sized, "whole", whole={"requests": {"cpu": large}, "limits": {"cpu": large}})
        waits("Deferred", "Node didn't have enough resource: cpu, requested: ")
    finally:
        sized.kubectl("delete", "pod", "filler", "--now")
    pod = settled(sized, "whole")
    assert limits(sized, pod)[0] == cpus * 1000 - 500
    assert limits(sized, pod, "shares") == (cpus * 1000 - 500, 64), "the limits of its pod are its own"
    assert limits(sized, pod, "own") == (50, 16)
    assert pod["status"]["resources"]["limits"]["cpu"] == large
    assert [s["restartCount"] for s in pod["status"]["containerStatuses"]] == [0, 0]
