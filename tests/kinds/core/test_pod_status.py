"""Which containers may leave the terminated state by a write to a pod's status."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kinds.core.pod_status import prepare, validate
from pilothouse.kinds.strategy import Write


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


def with_status(status: dict[str, Any]) -> Pod:
    asked = {"requests": {"example.com/gpu": "1"}}
    spec = {"containers": [{"name": "c", "resources": asked}], "initContainers": [{"name": "i"}]}
    return from_builtins({"metadata": {"name": "p", "namespace": "d"}, "spec": spec, "status": status}, Pod)


def mapping(container: str, resource: str, request: str) -> dict[str, str]:
    return {"containerName": container, "resourceName": resource, "requestName": request}


AT = "status.extendedResourceClaimStatus"
NO_CONTAINER = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
NO_REQUEST = (
    "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
    "spec.containers.resources.requests"
)


@pytest.mark.parametrize(
    ("mappings", "claim", "expected"),
    [
        ([mapping("c", "example.com/gpu", "r")], "claim", []),
        (
            None,
            "",
            [
                (f"{AT}.requestMappings", "at least one request mapping is required"),
                (f"{AT}.resourceClaimName", ""),
            ],
        ),
        ([mapping("x", "example.com/gpu", "r")], "claim", [(f"{AT}.requestMappings[0].containerName", NO_CONTAINER)]),
        ([mapping("i", "example.com/gpu", "r")], "claim", [(f"{AT}.requestMappings[0].resourceName", NO_REQUEST)]),
        (
            [mapping("c", "example.com/gpu", "r")] * 2,
            "claim",
            [(f"{AT}.requestMappings[1].{name}", "") for name in ("containerName", "resourceName", "requestName")],
        ),
    ],
)
def test_the_claim_of_extended_resources(mappings: Any, claim: str, expected: list[tuple[str, str]]) -> None:
    new = with_status({"extendedResourceClaimStatus": {"requestMappings": mappings, "resourceClaimName": claim}})
    assert [(e.path, e.detail) for e in validate(new, with_status({}))] == expected


def test_names_in_the_claim_of_extended_resources() -> None:
    status = {"requestMappings": [mapping("c", "example.com/gpu", "No!")], "resourceClaimName": "No!"}
    errors = validate(with_status({"extendedResourceClaimStatus": status}), with_status({}))
    assert [e.path for e in errors] == [f"{AT}.requestName", f"{AT}.resourceClaimName"]


def test_fields_of_features_that_are_off_are_dropped_unless_they_were_there() -> None:
    mount = {"name": "v", "mountPath": "/v", "volumeStatus": {"image": {"imageRef": "x"}}}
    status = {
        "qosClass": "Burstable",
        "nodeAllocatableResourceClaimStatuses": [{"resourceClaimName": "a", "resources": {}}],
        "initContainerStatuses": [{"name": "i", "volumeMounts": [mount]}],
    }
    plain = with_status({"qosClass": "Burstable"})
    full = with_status(status)
    write = Write(UserInfo(), 0.0)
    kept = prepare(full, plain, write).status
    assert kept.node_allocatable_resource_claim_statuses == ()
    assert kept.init_container_statuses[0].volume_mounts[0].volume_status is None
    assert prepare(full, full, write) is full
    assert prepare(plain, plain, write) is plain
