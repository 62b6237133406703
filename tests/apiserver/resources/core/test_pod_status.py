"""Which containers may leave the terminated state by a write to a pod's status."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.core.v1 import Pod
from pilothouse.apiserver.resources.core.pod_status import validate


def rules(action: str) -> dict[str, Any]:
    codes = {"operator": "In", "values": [42]}
    return {"restartPolicy": "Never", "restartPolicyRules": [{"action": action, "exitCodes": codes}]}


def pod(spec: dict[str, Any], kind: str, state: dict[str, Any]) -> Pod:
    status = {kind: [{"name": "c", "state": state, "image": "", "imageID": "", "ready": False, "restartCount": 0}]}
    return from_builtins({"metadata": {"name": "p", "namespace": "d"}, "spec": spec, "status": status}, Pod)


def spec(policy: str, own: dict[str, Any], other: dict[str, Any], *, init: bool) -> dict[str, Any]:
    one, two = {"name": "c", **own}, {"name": "d", **other}
    containers = {"initContainers": [one], "containers": [two]} if init else {"containers": [one, two]}
    return {"restartPolicy": policy, **containers}


@pytest.mark.parametrize("init", [False, True])
@pytest.mark.parametrize(
    ("policy", "own", "other", "code", "fine"),
    [
        ("Never", {}, {}, 1, False),
        ("OnFailure", {}, {}, 1, True),
        ("OnFailure", {}, {}, 0, False),
        ("Never", rules("Restart"), {}, 42, True),
        ("Never", rules("Restart"), {}, 1, False),
        ("Never", {}, rules("Restart"), 42, False),
        ("Never", {}, rules("RestartAllContainers"), 0, True),
    ],
)
def test_containers_that_run_again(
    policy: str, own: dict[str, Any], other: dict[str, Any], code: int, fine: bool, init: bool
) -> None:
    kind = "initContainerStatuses" if init else "containerStatuses"
    body = spec(policy, own, other, init=init)
    old = pod(body, kind, {"terminated": {"exitCode": code}})
    errors = validate(pod(body, kind, {"waiting": {"reason": "x"}}), old)
    expected = [] if fine else [(f"status.{kind}[0].state", "may not be transitioned to non-terminated state")]
    assert [(e.path, e.detail) for e in errors] == expected
