"""Validation of webhook configurations, policies and bindings, in upstream's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.field_errors import FieldError
from pilothouse.api.types.admissionregistration.v1 import (
    MutatingAdmissionPolicy,
    MutatingWebhookConfiguration,
    ParamKind,
    RuleWithOperations,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
    WebhookClientConfig,
)
from pilothouse.kinds.admissionregistration import (
    mutatingadmissionpolicy,
    mutatingwebhookconfiguration,
    rules,
    validatingadmissionpolicy,
    validatingadmissionpolicybinding,
    validatingwebhookconfiguration,
    webhooks,
)

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
HOOK = {
    "name": "a.example.com",
    "admissionReviewVersions": ["v1"],
    "sideEffects": "None",
    "clientConfig": {"url": "https://a.example.com/x"},
    "rules": [RULE],
}


def told(errors: Sequence[FieldError]) -> list[str]:
    return [f"{e.path}: {e.message}" for e in errors]


def hooks(*changes: dict[str, Any]) -> ValidatingWebhookConfiguration:
    found = from_builtins({"webhooks": [{**HOOK, **change} for change in changes]}, ValidatingWebhookConfiguration)
    return validatingwebhookconfiguration.defaults(found)


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"name": "short"}, ['.name: Invalid value: "short": ' + webhooks._SEGMENTS]),
        (
            {"sideEffects": "Some"},
            ['.sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"'],
        ),
        (
            {"timeoutSeconds": 31},
            [".timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"],
        ),
        (
            {"admissionReviewVersions": ["v2", "v2"]},
            [
                '.admissionReviewVersions[1]: Invalid value: "v2": duplicate version',
                '.admissionReviewVersions: Invalid value: ["v2","v2"]: must include at least one of v1, v1beta1',
            ],
        ),
        ({"matchConditions": [{"name": "a", "expression": " "}]}, [".matchConditions[0].expression: Required value"]),
    ],
)
def test_webhooks(change: dict[str, Any], texts: list[str]) -> None:
    found = told(validatingwebhookconfiguration.validate(hooks(change)))
    assert found == [f"webhooks[0]{text}" for text in texts]


def test_names_of_webhooks_differ_and_mutating_ones_are_asked_again_or_not() -> None:
    assert told(validatingwebhookconfiguration.validate(hooks({}, {}))) == [
        'webhooks[1].name: Duplicate value: "a.example.com"'
    ]
    found = from_builtins({"webhooks": [{**HOOK, "reinvocationPolicy": "Always"}]}, MutatingWebhookConfiguration)
    assert told(mutatingwebhookconfiguration.validate(mutatingwebhookconfiguration.defaults(found))) == [
        'webhooks[0].reinvocationPolicy: Unsupported value: "Always": supported values: "IfNeeded", "Never"'
    ]


@pytest.mark.parametrize(
    ("config", "paths"),
    [
        ({"url": "https://a/b"}, []),
        ({}, ["c"]),
        ({"url": "http://u@a?q#f"}, ["c.url"] * 4),
        ({"url": "https:///x"}, ["c.url"]),
        (
            {"service": {"name": "", "namespace": "", "port": 0}},
            ["c.service.name", "c.service.namespace", "c.service.port"],
        ),
        ({"service": {"name": "a", "namespace": "b", "port": 1, "path": "a//B"}}, ["c.service.path"] * 4),
        ({"service": {"name": "a", "namespace": "b", "port": 1, "path": "/a/"}}, []),
    ],
)
def test_how_a_webhook_is_called(config: dict[str, Any], paths: list[str]) -> None:
    assert [e.path for e in webhooks.client_config("c", from_builtins(config, WebhookClientConfig))] == paths


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"resources": ["pods", "*"]}, []),
        (
            {"resources": ["*", "pods"]},
            [
                '.resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources '
                "without subresources"
            ],
        ),
        (
            {"resources": ["*/scale", "pods/scale"]},
            [".resources[1]: Invalid value: \"pods/scale\": if '*/scale' is present, must not specify pods/scale"],
        ),
        ({"apiVersions": ["", "v1"]}, [".apiVersions[0]: Required value"]),
        ({"operations": []}, [".operations: Required value"]),
        ({"scope": "All"}, ['.scope: Unsupported value: "All": supported values: "*", "Cluster", "Namespaced"']),
    ],
)
def test_rules(change: dict[str, Any], texts: list[str]) -> None:
    assert told(rules.rule("r", from_builtins({**RULE, **change}, RuleWithOperations))) == [f"r{t}" for t in texts]


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ({"apiVersion": "v1", "kind": "ConfigMap"}, []),
        (
            {"apiVersion": "a/b/c", "kind": "X"},
            ['p.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
        ),
        (
            {"apiVersion": "apps/"},
            ['p.apiVersion: Invalid value: "apps/": version must be specified', "p.kind: Required value"],
        ),
    ],
)
def test_kinds_of_params(kind: dict[str, str], texts: list[str]) -> None:
    assert told(rules.param_kind("p", from_builtins(kind, ParamKind))) == texts


def policy(**spec: Any) -> ValidatingAdmissionPolicy:
    tree = {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}], **spec}
    found = from_builtins({"metadata": {"name": "p"}, "spec": tree}, ValidatingAdmissionPolicy)
    return validatingadmissionpolicy.defaults(found)


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        ({}, []),
        ({"matchConstraints": {}}, ["matchConstraints.resourceRules"]),
        ({"validations": []}, ["validations", "auditAnnotations"]),
        ({"validations": [{"expression": "true", "message": "a\nb"}]}, ["validations[0].message"]),
        (
            {"validations": [{"expression": " ", "messageExpression": " "}]},
            ["validations[0].expression", "validations[0].messageExpression"],
        ),
        ({"variables": [{"name": "in", "expression": "1"}]}, ["variables[0].name"]),
        (
            {"auditAnnotations": [{"key": "a b", "valueExpression": ""}]},
            ["auditAnnotations[0].key", "auditAnnotations[0].valueExpression"],
        ),
        ({"auditAnnotations": [{"key": "a", "valueExpression": "'x'"}] * 2}, ["auditAnnotations[1].key"]),
    ],
)
def test_validating_policies(spec: dict[str, Any], paths: list[str]) -> None:
    assert [e.path for e in validatingadmissionpolicy.validate(policy(**spec))] == [f"spec.{path}" for path in paths]


def test_mutating_policies() -> None:
    mutations = [{"patchType": "Merge"}, {"patchType": "JSONPatch", "applyConfiguration": {"expression": "x"}}]
    constraints = {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}
    tree = {"spec": {"matchConstraints": constraints, "mutations": mutations}}
    found = mutatingadmissionpolicy.defaults(from_builtins(tree, MutatingAdmissionPolicy))
    assert told(mutatingadmissionpolicy.validate(found)) == [
        'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", '
        '"CONNECT", "CREATE", "UPDATE"',
        'spec.mutations[0].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch"',
        'spec.mutations[1].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when '
        "patchType is JSONPatch",
        "spec.mutations[1].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        "spec.reinvocationPolicy: Required value",
    ]


def test_bindings() -> None:
    ref = {"name": "a", "selector": {}}
    spec = {"policyName": "P", "validationActions": ["Deny", "Deny", "Warn"], "paramRef": ref}
    found = from_builtins({"spec": spec}, ValidatingAdmissionPolicyBinding)
    assert [e.path for e in validatingadmissionpolicybinding.validate(found)] == [
        "spec.policyName",
        "spec.paramRef.name",
        "spec.paramRef.selector",
        "spec.paramRef.parameterNotFoundAction",
        "spec.validationActions[1]",
        "spec.validationActions",
    ]
