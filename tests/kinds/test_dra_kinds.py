"""Defaults and validation of the kinds of dynamic resource allocation, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins, to_builtins
from pilothouse.api.field_errors import FieldError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.resource.v1 import DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice
from pilothouse.kinds.resource import (
    allocations,
    deviceclass,
    resourceclaim,
    resourceclaimtemplate,
    resourceslice,
)
from pilothouse.kinds.strategy import Write

NOW = Write(user=UserInfo(), now=0.0)


def told(errors: Sequence[FieldError]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in errors]


def starts(errors: Sequence[FieldError]) -> list[str]:
    return [text.partition(": a lowercase")[0].partition(": must be the name")[0] for text in told(errors)]


def claim(*requests: dict[str, Any], status: dict[str, Any] | None = None, **devices: Any) -> ResourceClaim:
    spec = {"devices": {"requests": list(requests), **devices}}
    obj = from_builtins({"metadata": {"name": "c"}, "spec": spec, "status": status or {}}, ResourceClaim)
    return resourceclaim.defaults(obj)


def exact(name: str = "gpu", **fields: Any) -> dict[str, Any]:
    return {"name": name, "exactly": {"deviceClassName": "c", **fields}}


def test_a_request_is_for_one_device_unless_it_says_otherwise() -> None:
    toleration = {"key": "a"}
    found = to_builtins(claim(exact(tolerations=[toleration]), exact("all", allocationMode="All")).spec)
    first, second = found["devices"]["requests"]
    assert first["exactly"] == {
        "deviceClassName": "c",
        "allocationMode": "ExactCount",
        "count": 1,
        "tolerations": ({"key": "a", "operator": "Equal"},),
    }
    assert second["exactly"] == {"deviceClassName": "c", "allocationMode": "All"}


@pytest.mark.parametrize(
    ("found", "texts"),
    [
        (claim(exact()), []),
        (claim({"name": "x"}), ["[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"]),
        (
            claim({**exact(), "firstAvailable": [{"name": "a", "deviceClassName": "c"}]}),
            [
                "[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple "
                "fields are set"
            ],
        ),
        (claim(exact(deviceClassName="")), ["[0].exactly.deviceClassName: Required value"]),
        (claim(exact(), exact()), ['[1]: Duplicate value: "gpu"']),
        (
            claim(exact(allocationMode="All", count=2)),
            ["[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"],
        ),
        (claim(exact(count=-1)), ["[0].exactly.count: Invalid value: -1: must be greater than zero"]),
        (
            claim(exact(allocationMode="Some")),
            ['[0].exactly.allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"'],
        ),
        (claim(exact(selectors=[{}])), ["[0].exactly.selectors[0].cel: Required value"]),
        (
            claim(exact(tolerations=[{"operator": "Exists", "value": "x", "effect": "Later"}])),
            [
                '[0].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
                '[0].exactly.tolerations[0].effect: Unsupported value: "Later": supported values: "NoExecute", '
                '"NoSchedule", "None"',
            ],
        ),
        (claim(*[exact(f"r{i}") for i in range(33)]), [": Too many: 33: must have at most 32 items"]),
    ],
)
def test_requests(found: ResourceClaim, texts: list[str]) -> None:
    assert told(resourceclaim.validate(found)) == [f"spec.devices.requests{text}" for text in texts]


def test_constraints_and_configuration_name_requests() -> None:
    alternatives = {"name": "two", "firstAvailable": [{"name": "big", "deviceClassName": "c"}]}
    good = claim(
        exact(),
        alternatives,
        constraints=[{"requests": ["gpu", "two/big"], "matchAttribute": "d.example.com/numa"}],
        config=[{"requests": ["two"], "opaque": {"driver": "d.example.com", "parameters": {}}}],
    )
    assert not resourceclaim.validate(good)
    bad = claim(
        exact(),
        constraints=[{"requests": ["two", "gpu/x", "a/b/c"]}, {"matchAttribute": "numa"}],
        config=[{}, {"opaque": {"driver": "d.example.com", "parameters": []}}, {"opaque": {}}],
    )
    assert starts(resourceclaim.validate(bad)) == [
        'spec.devices.constraints[0].requests[0]: Invalid value: "two"',
        'spec.devices.constraints[0].requests[1]: Invalid value: "gpu/x"',
        'spec.devices.constraints[0].requests[2]: Invalid value: "a/b/c"',
        'spec.devices.constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is '
        "required, but multiple fields are set",
        'spec.devices.constraints[1].matchAttribute: Invalid value: "numa": a fully qualified name must be a domain '
        "and a name separated by a slash",
        "spec.devices.config[0].opaque: Required value",
        'spec.devices.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
        "spec.devices.config[2].opaque.driver: Required value",
        "spec.devices.config[2].opaque.parameters: Required value",
    ]


def test_a_template_has_labels_and_annotations_only() -> None:
    spec = {"metadata": {"name": "x", "finalizers": ["a/b"]}, "spec": {"devices": {"requests": [exact()]}}}
    obj = resourceclaimtemplate.defaults(from_builtins({"spec": spec}, ResourceClaimTemplate))
    assert told(resourceclaimtemplate.validate(obj)) == [
        "spec.metadata.name: Forbidden: cannot be set",
        "spec.metadata.finalizers: Forbidden: cannot be set",
    ]


RESULT = {"request": "gpu", "driver": "d.example.com", "pool": "p", "device": "d"}


def given(*results: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"allocation": {"devices": {"results": list(results)}}, **status}


def test_what_a_claim_was_given() -> None:
    empty = claim(exact())
    bad = {**RESULT, "request": "other", "pool": "", "shareID": "1", "bindingConditions": ["a"]}
    assert starts(allocations.validate(claim(exact(), status=given(bad)), empty)) == [
        'status.allocation.devices.results[0].request: Invalid value: "other"',
        "status.allocation.devices.results[0].pool: Required value",
        "status.allocation.devices.results[0].bindingFailureConditions: Invalid value: null: "
        "bindingFailureConditions are required to use bindingConditions",
        'status.allocation.devices.results[0].shareID: Invalid value: "1": error validating uid: invalid UUID '
        "length: 1",
    ]
    user = {"resource": "pods", "name": "p", "uid": "u"}
    reserved = claim(exact(), status=given(RESULT, reservedFor=[user, user, {}]))
    assert told(allocations.validate(reserved, empty)) == [
        'status.reservedFor[1]: Duplicate value: "u"',
        "status.reservedFor[2].resource: Required value",
        "status.reservedFor[2].name: Required value",
        "status.reservedFor[2].uid: Required value",
    ]


def test_devices_tell_of_themselves_while_they_are_allocated() -> None:
    device = {
        "driver": "d.example.com",
        "pool": "p",
        "device": "d",
        "networkData": {"ips": ["10.1.1.1", "10.1.1.1/24"]},
    }
    held = claim(exact(), status=given(RESULT, devices=[device]))
    assert [e.path for e in allocations.validate(held, held)] == ["status.devices[0].networkData.ips[0]"]
    other = claim(exact(), status=given({**RESULT, "device": "e"}, devices=[device]))
    assert told(allocations.validate(other, claim(exact())))[0] == (
        'status.devices[0]: Invalid value: {"Driver":"d.example.com","Pool":"p","Device":"d","ShareID":""}: must be an '
        "allocated device in the claim"
    )
    assert allocations.without_deallocated(other, held).status.devices == ()
    assert allocations.without_deallocated(held, held) is held


def published(*devices: dict[str, Any], **spec: Any) -> ResourceSlice:
    pool = {"name": "p", "resourceSliceCount": 1}
    tree = {"driver": "d.example.com", "pool": pool, "allNodes": True, "devices": list(devices), **spec}
    return from_builtins({"spec": tree}, ResourceSlice)


@pytest.mark.parametrize(
    ("device", "texts"),
    [
        ({"attributes": {"model": {"string": "x"}, "d.example.com/v": {"version": "1.2.3-a+b"}}}, []),
        (
            {"attributes": {"v": {"version": "1.2"}}},
            ['.attributes[v].version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0'],
        ),
        (
            {"attributes": {"v": {"int": 1, "string": "x" * 65}}},
            [
                ".attributes[v].string: Too long: may not be more than 64 bytes",
                ".attributes[v]: Invalid value: "
                f'{{"IntValue":1,"BoolValue":null,"StringValue":"{"x" * 65}","VersionValue":null,"IntValues":null,'
                '"BoolValues":null,"StringValues":null,"VersionValues":null}: exactly one value must be specified',
            ],
        ),
        ({"attributes": {"a/b/c": {"int": 1}}}, []),
        ({"attributes": {"/x": {"int": 1}}}, ['.attributes: Invalid value: "": the domain must not be empty']),
        (
            {"taints": [{"key": "k", "effect": "Later"}, {"key": "k"}]},
            [
                '.taints[0].effect: Unsupported value: "Later": supported values: "NoExecute", "NoSchedule", "None"',
                ".taints[1].effect: Required value",
            ],
        ),
        (
            {"consumesCounters": [{"counters": {}}]},
            [
                ".consumesCounters[0].counterSet: Required value",
                ".consumesCounters[0].counters: Required value",
            ],
        ),
        (
            {"nodeName": "n"},
            [
                ": Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
                "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
            ],
        ),
        (
            {"bindingConditions": ["a", "a"], "bindingFailureConditions": ["a"]},
            [
                '.bindingConditions[1]: Duplicate value: "a"',
                '.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with '
                "bindingConditions",
            ],
        ),
        (
            {"capacity": {"m": {"value": "1Gi", "requestPolicy": {"default": "1Gi"}}}},
            [".capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"],
        ),
    ],
)
def test_devices(device: dict[str, Any], texts: list[str]) -> None:
    found = resourceslice.validate(published({"name": "dev", **device}))
    assert told(found) == [f"spec.devices[0]{text}" for text in texts]


@pytest.mark.parametrize(
    ("policy", "texts"),
    [
        ({"default": "1Gi", "validValues": ["1Gi", "2Gi"]}, []),
        ({"validValues": ["1Gi"]}, [".default: Required value: required when validValues is defined"]),
        (
            {"default": "3Gi", "validValues": ["2Gi", "1Gi", "9Gi"]},
            [
                '.validValues[1]: Invalid value: "1Gi": values must be sorted in ascending order',
                '.validValues[2]: Invalid value: "9Gi": option is larger than capacity value: 8Gi',
                '.validValues: Invalid value: "3Gi": default value is not valid according to the requestPolicy',
            ],
        ),
        ({"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi"}}, []),
        (
            {"default": "3Gi", "validRange": {"min": "2Gi", "max": "9Gi", "step": "2Gi"}},
            [
                '.validRange.max: Invalid value: "9Gi": max is larger than capacity value: 8Gi',
                '.validRange.step: Invalid value: "3Gi": value is not a multiple of a given step (2Gi) from (2Gi)',
                '.validRange.step: Invalid value: "9Gi": value is not a multiple of a given step (2Gi) from (2Gi)',
            ],
        ),
        (
            {"default": "1Gi", "validRange": {"min": "2Gi"}},
            ['.validRange.min: Invalid value: "1Gi": default is less than min: 2Gi'],
        ),
        (
            {"default": "3Gi", "validRange": {"min": "1Gi", "max": "2Gi"}},
            ['.validRange.max: Invalid value: "3Gi": default is more than max: 2Gi'],
        ),
        (
            {"default": "1", "validValues": ["1"], "validRange": {"min": "1"}},
            [
                ': Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at '
                "the same time"
            ],
        ),
    ],
)
def test_capacity_that_claims_share(policy: dict[str, Any], texts: list[str]) -> None:
    capacity = {"m": {"value": "8Gi", "requestPolicy": policy}}
    device = {"name": "dev", "allowMultipleAllocations": True, "capacity": capacity}
    found = told(resourceslice.validate(published(device)))
    assert found == [f"spec.devices[0].capacity[m].requestPolicy{text}" for text in texts]


def test_a_slice_is_for_nodes_in_one_way() -> None:
    selector = {"nodeSelectorTerms": [{}, {}]}
    found = published(allNodes=False, nodeName="", nodeSelector=selector, sharedCounters=[{"name": "c"}])
    assert [e.path for e in resourceslice.validate(found)] == [
        "spec.nodeName",
        "spec.nodeSelector.nodeSelectorTerms",
        "spec.allNodes",
        "spec.sharedCounters[0].counters",
    ]


def test_what_gates_hide_is_dropped_and_taints_get_their_time() -> None:
    device = {"name": "d", "attributes": {"a": {"ints": [1]}}, "taints": [{"key": "k", "effect": "None"}]}
    found = resourceslice.prepare_create(published(device), NOW).spec.devices[0]
    assert found.attributes["a"].ints == ()
    assert found.taints[0].time_added == "1970-01-01T00:00:00Z"
    upper = published(driver="D.example.com")
    assert resourceslice.warnings(upper) == [
        'spec.driver: driver names should be lowercase; "D.example.com" contains uppercase characters'
    ]


def test_device_classes() -> None:
    spec = {"selectors": [{"cel": {"expression": "x" * 10241}}], "config": [{}], "extendedResourceName": "cpu"}
    found = from_builtins({"spec": spec}, DeviceClass)
    assert told(deviceclass.validate(found)) == [
        "spec.selectors[0].cel.expression: Too long: may not be more than 10240 bytes",
        "spec.config[0].opaque: Required value",
        'spec.extendedResourceName: Invalid value: "cpu": must be a valid extended resource name',
    ]
    assert [e.path for e in deviceclass.validate_update(found, found)] == [
        "spec.config[0].opaque",
        "spec.extendedResourceName",
    ]
