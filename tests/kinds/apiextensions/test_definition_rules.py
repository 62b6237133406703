"""What a definition may say: the rules beyond those that recorded answers show."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from pilothouse.api.types.apiextensions.v1 import CustomResourceConversion, CustomResourceDefinitionVersion
from pilothouse.kinds.apiextensions.conversion_rules import conversion_errors
from pilothouse.kinds.apiextensions.field_paths import FieldPathError, resolved
from pilothouse.kinds.apiextensions.schema_rules import schema_errors
from pilothouse.kinds.apiextensions.structural_rules import structural_errors
from pilothouse.kinds.apiextensions.version_rules import deprecation_errors, schema_errors_of

TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "object", "properties": {"b.c": TEXT, "d'e": TEXT}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (".a", ("a",)),
        (".a['b.c']", ("a", "b.c")),
        (r".a['d\'e']", ("a", "d'e")),
        (".m.anything", ("m", "anything")),
        ("['m']['x']", ("m", "x")),
    ],
)
def test_paths_into_a_schema(path: str, names: tuple[str, ...]) -> None:
    assert resolved(SCHEMA, path)[0] == names


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a", "expected [ or . but got: a"),
        (".", "unexpected end of JSON path"),
        (".b", "does not refer to a valid field"),
        (".a.b.c", "does not refer to a valid field"),
        (".a['b.c'", "unexpected end of JSON path"),
        (".a[b]", "expected single quoted string but got b"),
        (".a['b.c'.x", "expected ] but got ."),
        (r".a['\q']", "invalid string literal: invalid syntax"),
    ],
)
def test_paths_that_lead_nowhere(path: str, why: str) -> None:
    with pytest.raises(FieldPathError, match=r".*") as raised:
        resolved(SCHEMA, path)
    assert str(raised.value) == why


def test_a_selectable_field_has_no_brackets() -> None:
    with pytest.raises(FieldPathError, match="array notation is not allowed"):
        resolved(SCHEMA, "['a']", brackets=False)


def told(errors: Any) -> list[tuple[str, str]]:
    return [(error.path, error.message) for error in errors]


ATOMIC = "must be atomic as item of a list with x-kubernetes-list-type=set"


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        ({"dependencies": {}}, [("s.dependencies", "Forbidden: dependencies is not supported")]),
        ({"definitions": {}, "patternProperties": {}, "items": []}, []),
        (
            {**TEXT, "x-kubernetes-list-type": "set", "items": {"type": "object"}},
            [("s.type", 'Invalid value: "string": must be array if x-kubernetes-list-type is specified')],
        ),
        (
            {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}},
            [("s.items.x-kubernetes-map-type", f"Invalid value: null: {ATOMIC}")],
        ),
        (
            {"properties": {"metadata": {"additionalProperties": {"default": 1}}}},
            [
                (
                    "s.properties[metadata].additionalProperties.default",
                    "Forbidden: must not be set inside additionalProperties applying to object metadata",
                )
            ],
        ),
        (
            {"x-kubernetes-validations": [{"rule": "a\rb", "message": "x\ry", "fieldPath": ".z"}]},
            [
                ("s.x-kubernetes-validations[0].message", 'Invalid value: "x\\ry": must not contain line breaks'),
                ("s.x-kubernetes-validations[0].fieldPath", 'Invalid value: ".z": must be a valid path'),
            ],
        ),
    ],
)
def test_rules_of_schemas(raw: Any, wrong: list[tuple[str, str]]) -> None:
    assert told(schema_errors(raw, "s")) == wrong


def test_items_of_a_keyed_list_are_one_schema() -> None:
    raw = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": [TEXT]}
    found = [message for path, message in told(schema_errors(raw, "s")) if path == "s.items"]
    assert found[1].endswith("must only have a single schema if x-kubernetes-list-type is map")


BOTH = [{"type": "integer"}, {"type": "string"}]


@pytest.mark.parametrize(
    ("inner", "paths"),
    [
        ({**TEXT, "anyOf": BOTH}, []),
        ({**TEXT, "allOf": [{"anyOf": BOTH}]}, []),
        ({**TEXT, "not": {"anyOf": BOTH}}, ["not.anyOf[0].type", "not.anyOf[1].type"]),
        ({**TEXT, "not": {"default": 0}}, ["not.default"]),
        ({**TEXT, "not": {"additionalProperties": False}}, []),
        ({**TEXT, "not": {"additionalProperties": {}}}, ["not.additionalProperties"]),
        ({**TEXT, "not": {"x-kubernetes-map-type": ""}}, ["not.x-kubernetes-map-type"]),
        ({**TEXT, "oneOf": [{"properties": {"x": {}}}]}, []),
        ({"type": "array", "items": []}, ["items"]),
    ],
)
def test_structure(inner: Any, paths: list[str]) -> None:
    found = structural_errors({"type": "object", "properties": {"a": inner}}, "s")
    assert [path for path, _ in told(found)] == [f"s.properties[a].{path}" for path in paths]


def version(schema: Any = None, **fields: Any) -> CustomResourceDefinitionVersion:
    return convert({"schema": {"openAPIV3Schema": schema}, **fields}, CustomResourceDefinitionVersion)


@pytest.mark.parametrize(
    ("default", "wrong"),
    [
        ({"type": "integer", "format": "int64", "default": 2**63}, 2),
        ({"type": "boolean", "x-kubernetes-int-or-string": True, "default": True}, 0),
        ({"x-kubernetes-int-or-string": True, "default": True}, 0),
        ({"type": "integer", "default": "x"}, 1),
    ],
)
def test_defaults_are_what_their_schema_lets_pass(default: Any, wrong: int) -> None:
    schema = {"type": "object", "properties": {"a": default}}
    assert len(schema_errors_of(version(schema), "s", False)) == wrong


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({}, []),
        ({"x-kubernetes-map-type": "atomic"}, ["s.openAPIV3Schema"]),
        ({"maxProperties": 3}, ["s.openAPIV3Schema"]),
    ],
)
def test_a_root_beside_a_status_says_little(more: Any, path: list[str]) -> None:
    schema = {"type": "object", "description": "x", **more}
    assert [found for found, _ in told(schema_errors_of(version(schema), "s", True))] == path
    assert schema_errors_of(version(schema), "s", False) == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"deprecationWarning": ""}, ["can only be set for deprecated versions"]),
        ({"deprecated": True, "deprecationWarning": "é\x01\x02"}, ["character found at index 2"]),
        ({"deprecated": True, "deprecationWarning": "fine"}, []),
    ],
)
def test_warnings_of_deprecated_versions(fields: Any, why: list[str]) -> None:
    found = [message for _, message in told(deprecation_errors(version(**fields), "v"))]
    assert len(found) == len(why)
    assert all(message.endswith(end) for message, end in zip(found, why, strict=True))


@pytest.mark.parametrize(
    ("service", "wrong"),
    [
        ({"namespace": "a"}, [("c.webhookClientConfig.service.namespace", "Required value")]),
        ({"name": "a"}, [("c.webhookClientConfig.service.name", "Required value")]),
        (
            {"name": "a", "namespace": "b", "path": "/x//y"},
            [("c.webhookClientConfig.service.path", 'Invalid value: "/x//y": segment[1] may not be empty')],
        ),
    ],
)
def test_the_service_of_a_conversion_webhook(service: Any, wrong: list[tuple[str, str]]) -> None:
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    conversion = convert({"strategy": "Webhook", "webhook": webhook}, CustomResourceConversion)
    assert told(conversion_errors(conversion, "c")) == wrong
