"""Decoding of clients' bodies against what kube-apiserver v1.36.2 answered to them (tests/data/decoding.json)."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import pytest

from pilothouse.api import scheme
from pilothouse.api.codec import go_json, protobuf, strict
from pilothouse.api.codec.json import encode
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import Deployment
from pilothouse.api.types.core.v1 import ConfigMap, Pod, Secret, Service

RECORDED = json.loads((pathlib.Path(__file__).parents[1] / "data" / "decoding.json").read_text())
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@pytest.mark.parametrize("case", RECORDED, ids=lambda c: c["case"])
def test_recorded(case: dict[str, Any]) -> None:
    kind = scheme.type_of(*case["kind"])
    message, warnings, code = None, [], 0
    try:
        found = strict.decode_request(
            case["body"].encode(), kind, media_type=case["media_type"], field_validation=case["validation"]
        )
        warnings = list(found.problems)
    except StatusError as error:
        message = TIME.sub("<time>", error.status.message)
        code = error.code
    assert (message, warnings) == (case["message"], case["warnings"])
    assert code == (400 if case["message"] else 0)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("{a:1}", "invalid character 'a' looking for beginning of object key string"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[01]", "invalid character '1' after array element"),
        ("[1.]", "invalid character ']' after decimal point in numeric literal"),
        ("[1e]", "invalid character ']' in exponent of numeric literal"),
        ("[-]", "invalid character ']' in numeric literal"),
        ("[tru]", "invalid character ']' in literal true (expecting 'e')"),
        ("[NaN]", "invalid character 'N' looking for beginning of value"),
        ("[-Infinity]", "invalid character 'I' in numeric literal"),
        ('"\t"', "invalid character '\\t' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ("1 2", "invalid character '2' after top-level value"),
        ("'", "invalid character '\\'' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
    ],
)
def test_syntax_errors(text: str, error: str) -> None:
    with pytest.raises(go_json.JSONSyntaxError) as raised:
        go_json.parse(text.encode())
    assert str(raised.value) == error


@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"metadata":{"x":['])
def test_depth_is_refused_not_suffered(opened: bytes) -> None:
    with pytest.raises(StatusError) as raised:
        strict.decode_request(opened * 30_000, ConfigMap)
    assert raised.value.code == 400
    with pytest.raises(StatusError):
        strict.decode_request(opened * 30_000, ConfigMap, media_type=strict.YAML)


CASES: list[tuple[type[Any], str, str, Any, tuple[str, ...]]] = [
    # kind, body, path of the field, what it is then, problems
    (Pod, '{"spec":{"nodeName":null}}', "spec.nodeName", None, ()),
    (Pod, '{"spec":{"nodeName":""}}', "spec.nodeName", None, ()),
    (Pod, '{"spec":{}}', "spec.containers", None, ()),
    (Pod, '{"spec":{"node":1}}', "spec", {"containers": None}, ('unknown field "spec.node"',)),
    (Pod, '{"spec":{"nodeName":"a","nodeName":"b"}}', "spec.nodeName", "b", ('duplicate field "spec.nodeName"',)),
    (Pod, '{"spec":{"nodeName":"\\ud800x"}}', "spec.nodeName", "�x", ()),
    (ConfigMap, '{"data":null}', "data", None, ()),
    (ConfigMap, '{"data":{"a":null}}', "data", {"a": ""}, ()),
    (ConfigMap, '{"metadata":{"creationTimestamp":null}}', "metadata", {}, ()),
    (ConfigMap, '{"data":{"a":"1"},"data":{"b":"2"}}', "data", {"a": "1", "b": "2"}, ('duplicate field "data"',)),
    (ConfigMap, '{"data":{"a":"1","a":"2"}}', "data", {"a": "2"}, ('duplicate field "data.a"',)),
    (ConfigMap, '{"data":{"\\udc00":"\\ud83d\\ude00"}}', "data", {"�": "😀"}, ()),
    (Deployment, '{"spec":{"replicas":null}}', "spec.replicas", None, ()),
    (Deployment, '{"spec":{"replicas":0}}', "spec.replicas", 0, ()),
    (Deployment, '{"spec":{"template":null,"selector":null}}', "spec.selector", None, ()),
    (Deployment, '{"spec":{"Replicas":3}}', "spec.replicas", None, ('unknown field "spec.Replicas"',)),
    (Deployment, '{"spec":{"replicas":1,"replicas":null}}', "spec.replicas", None,
     ('duplicate field "spec.replicas"',)),
    (Service, '{"spec":{"ports":[null]}}', "spec.ports", [{"port": 0, "targetPort": 0}], ()),
    (Service, '{"spec":{"ports":[]}}', "spec", {}, ()),
    (Service, '{"spec":{"selector":{"a":"b"}},"spec":{"type":"NodePort"}}', "spec.type", "NodePort",
     ('duplicate field "spec"',)),
    (Secret, '{"data":{"a":null,"b":""}}', "data", {"a": "", "b": ""}, ()),
    (Secret, '{"data":{"a":"YQ==\\n"}}', "data", {"a": "YQ=="}, ()),
    (Secret, '{"data":{"a":[97]},"type":null}', "data", {"a": "YQ=="}, ()),
    (Secret, '{"stringdata":{"a":"b"}}', "data", None, ('unknown field "stringdata"',)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "body", "path", "value", "problems"), CASES)
def test_null_empty_absent_unknown_duplicate_surrogate(
    kind: type[Any], body: str, path: str, value: Any, problems: tuple[str, ...]
) -> None:
    found = strict.decode_request(body.encode(), kind)
    tree = json.loads(encode(found.obj))
    for part in path.split("."):
        tree = tree.get(part) if tree is not None else None
    assert (tree, found.problems) == (value, problems)


def test_fast_and_exact_ways_agree() -> None:
    body = (pathlib.Path(__file__).parents[1] / "data" / "pod.json").read_bytes()
    fast = strict._fast(body, Pod)
    assert fast is not None
    assert strict._exact(go_json.parse(body), Pod).obj == fast.obj


def test_the_fast_way_leaves_doubtful_bodies_to_the_exact_one() -> None:
    for body in (b'{"data":{"a":"\\u0041"}}', b'{"data":{"a":"1","a":"2"}}', b'{"data":null}', b"[]", b'{"x":1}'):
        assert strict._fast(body, ConfigMap) is None
    assert strict._fast(b'{"spec":{"replicas":1.0}}', Deployment) is None


KINDS = (Pod, ConfigMap, Deployment, Service, Secret)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("metadata", "kept"),
    [
        ("{}", {}),
        ('{"labels":{}}', {}),
        ('{"labels":{"a":""}}', {"labels": {"a": ""}}),
        ('{"name":"\\ud800"}', {"name": "�"}),
    ],
)
def test_protobuf_holds_what_json_held(kind: type[Any], metadata: str, kept: dict[str, Any]) -> None:
    """Null, empty, absent and surrogates are gone once decoded; unknown and duplicate members cannot be written."""
    by_json = strict.decode_request(f'{{"metadata":{metadata}}}'.encode(), kind)
    by_protobuf = strict.decode_request(protobuf.encode(by_json.obj), kind, media_type=protobuf.CONTENT_TYPE)
    assert by_protobuf.obj == by_json.obj
    assert by_protobuf.tree["metadata"] == kept
    assert by_protobuf.problems == ()


@pytest.mark.parametrize("kind", KINDS)
def test_protobuf_unknown_fields_are_skipped_and_the_last_duplicate_wins(kind: type[Any]) -> None:
    unknown = b"\xf8\x7f\x01" + b"\xfa\x7f\x02ab"
    name = lambda text: b"\n" + bytes((len(text) + 2,)) + b"\n" + bytes((len(text),)) + text  # noqa: E731
    body = protobuf.wrap(*reversed(strict.identity(kind)), unknown + name(b"a") + name(b"b"))
    assert strict.decode_request(body, kind, media_type=protobuf.CONTENT_TYPE).obj.metadata.name == "b"


def test_protobuf_refusals() -> None:
    for body, message in (
        (
            b'{"apiVersion": "v1", "kind": "ConfigMap"}',
            "the object provided is unrecognized (must be of type ConfigMap): provided data does not appear to be a "
            'protobuf message, expected prefix [107 56 115 0] ({"apiVersion": "v1", "kind": " ...)',
        ),
        (
            protobuf.encode(Secret()),
            'Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): '
            "unknown conversion",
        ),
        (
            protobuf.wrap("v1", "ConfigMap", b"\n\x05a"),
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF',
        ),
    ):
        with pytest.raises(StatusError) as raised:
            strict.decode_request(body, ConfigMap, media_type=protobuf.CONTENT_TYPE)
        assert raised.value.status.message == message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("2026-13-01T00:00:00Z", 'parsing time "2026-13-01T00:00:00Z": month out of range'),
        ("2026-04-31T00:00:00Z", 'parsing time "2026-04-31T00:00:00Z": day out of range'),
        ("2026-04-00T00:00:00Z", 'parsing time "2026-04-00T00:00:00Z": day out of range'),
        ("2026-04-01T24:00:00Z", 'parsing time "2026-04-01T24:00:00Z": hour out of range'),
        (
            "2026-04-01T00:00:00",
            'parsing time "2026-04-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"',
        ),
    ],
)
def test_times_that_are_none(text: str, fault: str) -> None:
    with pytest.raises(StatusError) as raised:
        strict.decode_request(json.dumps({"metadata": {"deletionTimestamp": text}}).encode(), ConfigMap)
    assert raised.value.status.message == f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {fault}'


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-04-01T12:00:00.9Z", "2026-04-01T12:00:00Z"),
        ("2026-04-01T12:00:00+02:00", "2026-04-01T10:00:00Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
    ],
)
def test_times_become_canonical(text: str, canonical: str) -> None:
    found = strict.decode_request(json.dumps({"metadata": {"deletionTimestamp": text}}).encode(), ConfigMap)
    assert found.obj.metadata.deletion_timestamp == canonical
