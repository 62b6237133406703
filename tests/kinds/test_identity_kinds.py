"""Validation of roles, bindings, certificate requests, limit ranges and priority classes, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.field_errors import FieldError
from pilothouse.api.types.certificates.v1 import CertificateSigningRequest
from pilothouse.api.types.core.v1 import LimitRange
from pilothouse.api.types.rbac.v1 import ClusterRole, ClusterRoleBinding, Role, RoleBinding
from pilothouse.api.types.scheduling.v1 import PriorityClass
from pilothouse.kinds.certificates import validation as certificates
from pilothouse.kinds.core import limitrange
from pilothouse.kinds.rbac import validation as rbac
from pilothouse.kinds.scheduling import priorityclass
from pilothouse.kit import tls

REQUEST = x509.load_pem_x509_csr(tls.new_request(tls.new_key(), "alice")).public_bytes(Encoding.PEM)


def told(errors: Sequence[FieldError]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in errors]


def test_rules_of_roles() -> None:
    assert told(rbac.role(from_builtins({"rules": [{}]}, Role))) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    ]
    rule = {"verbs": ["get"], "nonResourceURLs": ["/x"], "resourceNames": ["a"]}
    mixed = 'rules[0].nonResourceURLs: Invalid value: ["/x"]: '
    assert told(rbac.cluster_role(from_builtins({"rules": [rule]}, ClusterRole))) == [
        mixed + "rules cannot apply to both regular resources and non-resource URLs"
    ]
    assert told(rbac.role(from_builtins({"rules": [rule]}, Role)))[0] == (
        mixed + "namespaced rules cannot apply to non-resource URLs"
    )


def binding(*subjects: dict[str, str], **ref: str) -> dict[str, Any]:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "r", **ref}
    return {"subjects": list(subjects), "roleRef": reference}


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (
            {"kind": "ServiceAccount", "name": "a", "namespace": "n", "apiGroup": "x"},
            'Unsupported value: "x": supported',
        ),
        ({"kind": "User", "name": "a", "apiGroup": "v1"}, 'Unsupported value: "v1": supported values: "rbac.'),
        ({"kind": "Robot", "name": "a"}, 'supported values: "ServiceAccount", "User", "Group"'),
        ({"kind": "ServiceAccount", "name": "a"}, "subjects[0].namespace: Required value"),
    ],
)
def test_subjects(subject: dict[str, str], text: str) -> None:
    (found,) = told(rbac.cluster_role_binding(from_builtins(binding(subject), ClusterRoleBinding)))
    assert text in found


def test_the_role_of_a_binding_stays() -> None:
    old, new = (from_builtins(binding(name=n), RoleBinding) for n in "ab")
    assert told(rbac.role_binding_update(new, old)) == [
        'roleRef: Invalid value: {"APIGroup":"rbac.authorization.k8s.io","Kind":"ClusterRole","Name":"b"}: '
        "cannot change roleRef"
    ]
    assert told(rbac.role_binding(from_builtins(binding(name="a%b"), RoleBinding))) == [
        "roleRef.name: Invalid value: \"a%b\": may not contain '%'"
    ]


def request(*conditions: tuple[str, str], **spec: Any) -> CertificateSigningRequest:
    made = {"signerName": "example.com/s", "usages": ["client auth"], **spec}
    status = {"conditions": [{"type": t, "status": s} for t, s in conditions]}
    found = from_builtins({"spec": made, "status": status}, CertificateSigningRequest)
    return replace(found, spec=replace(found.spec, request=REQUEST))


def test_certificate_requests() -> None:
    assert told(certificates.validate(request())) == []
    bad = request(usages=["any", "any", "bogus"], signerName="nodomain/x", expirationSeconds=599)
    found = told(certificates.validate(bad))
    assert 'spec.usages[1]: Duplicate value: "any"' in found
    assert any(f.startswith('spec.usages[2]: Unsupported value: "bogus"') for f in found)
    assert any("should be a domain with at least two segments" in f for f in found)
    assert any("may not specify a duration less than 600 seconds (10 minutes)" in f for f in found)


def test_decisions_on_certificates_are_final() -> None:
    approved = request(("Approved", "True"))
    assert told(certificates.approval(request(), approved)) == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    both = request(("Approved", "True"), ("Denied", "True"))
    assert told(certificates.approval(both, approved)) == [
        'status.conditions: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    ]
    assert told(certificates.approval(request(("Denied", "False")), request())) == [
        'status.conditions[0].status: Unsupported value: "False": supported values: "True"'
    ]


def limits(**item: Any) -> LimitRange:
    made = from_builtins({"spec": {"limits": [{"type": "Container", **item}]}}, LimitRange)
    return limitrange.defaults(made)


def test_defaults_and_order_of_limits() -> None:
    (item,) = limits(max={"cpu": "2"}, min={"memory": "1Mi"}).spec.limits or ()
    assert {n: str(q) for n, q in item.default.items()} == {"cpu": "2"}
    assert {n: str(q) for n, q in item.default_request.items()} == {"cpu": "2", "memory": "1Mi"}
    assert told(limitrange.validate(limits(min={"cpu": "2"}, max={"cpu": "1"}))) == [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
        'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
    ]
    ratio = limits(min={"cpu": "1"}, max={"cpu": "4"}, maxLimitRequestRatio={"cpu": "8"})
    assert told(limitrange.validate(ratio)) == [
        'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "8": ratio 8 is greater than max/min = 4.000000'
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("system-x", 1, "system-x is not a known system priority class"),
        ("system-node-critical", 1, "value of system-node-critical PriorityClass must be 2000001000"),
        ("big", 1000000001, "maximum allowed value of a user defined priority is 1000000000"),
    ],
)
def test_priorities(name: str, value: int, text: str) -> None:
    (found,) = told(priorityclass.validate(from_builtins({"metadata": {"name": name}, "value": value}, PriorityClass)))
    assert found.endswith(text)
