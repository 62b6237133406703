"""The three patch types, with the answers that kube-apiserver v1.36.2 gave."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.codec.json import encode
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import Deployment
from pilothouse.api.types.core.v1 import ConfigMap, PodTemplate, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, apply_patch, members_named

REJECTED = "the server rejected our request due to an error in our request"
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"one": "1", "two": "2"}}
ACCOUNT = {
    "kind": "ServiceAccount",
    "apiVersion": "v1",
    "metadata": {"name": "a"},
    "imagePullSecrets": [{"name": "x"}, {"name": "y"}],
}
TEMPLATE = {
    "metadata": {"name": "t"},
    "template": {
        "spec": {
            "containers": [
                {"name": "one", "image": "1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                {"name": "two", "image": "2"},
            ],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c"}}],
            "tolerations": [{"key": "a"}],
        }
    },
}


def patched(media_type: str, live: Any, kind: type[Any], patch: Any, validation: str = "Warn") -> dict[str, Any]:
    body = patch if isinstance(patch, str) else json.dumps(patch)
    found = apply_patch(media_type, body.encode(), json.dumps(live).encode(), kind, validation)
    tree: dict[str, Any] = json.loads(encode(found.obj))
    return tree


def refused(media_type: str, live: Any, kind: type[Any], patch: Any, validation: str = "Warn") -> tuple[int, str]:
    with pytest.raises(StatusError) as raised:
        patched(media_type, live, kind, patch, validation)
    return raised.value.code, raised.value.status.message


@pytest.mark.parametrize(
    ("operations", "data"),
    [
        ([{"op": "replace", "path": "/data/new", "value": "x"}], {"one": "1", "two": "2", "new": "x"}),
        ([{"op": "copy", "from": "/data/absent", "path": "/data/n"}], {"one": "1", "two": "2", "n": ""}),
        ([{"op": "test", "path": "/data/absent", "value": None}], {"one": "1", "two": "2"}),
        ([{"op": "add", "path": "/data/n"}], {"one": "1", "two": "2", "n": ""}),
        ([{"op": "move", "from": "/data/one", "path": "/data/three"}], {"two": "2", "three": "1"}),
        ([{"op": "remove", "path": "/data/one"}, {"op": "test", "path": "/data", "value": {"two": "2"}}], {"two": "2"}),
    ],
)
def test_json_patch(operations: list[Any], data: dict[str, str]) -> None:
    assert patched(JSON_PATCH, CONFIG, ConfigMap, operations)["data"] == data


@pytest.mark.parametrize(
    ("path", "names"),
    [("/imagePullSecrets/-1", ["x"]), ("/imagePullSecrets/0", ["y"])],
)
def test_json_patch_removes_from_arrays(path: str, names: list[str]) -> None:
    found = patched(JSON_PATCH, ACCOUNT, ServiceAccount, [{"op": "remove", "path": path}])
    assert [s["name"] for s in found["imagePullSecrets"]] == names


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/data/absent"},
        {"op": "test", "path": "/data/one", "value": "2"},
        {"op": "move", "from": "/data/absent", "path": "/data/x"},
        {"op": "add", "path": "/binaryData/a/b", "value": "x"},
        {"op": "frobnicate", "path": "/data"},
        {"op": "add", "value": "x"},
        {"path": "/data/x"},
        {"op": "add", "path": "", "value": {}},
    ],
)
def test_json_patch_that_cannot_be_applied(operation: dict[str, Any]) -> None:
    assert refused(JSON_PATCH, CONFIG, ConfigMap, [operation]) == (422, REJECTED)


@pytest.mark.parametrize("path", ["9", "x", "-", "-3"])
def test_json_patch_bad_indexes(path: str) -> None:
    operation = {"op": "remove", "path": f"/imagePullSecrets/{path}"}
    assert refused(JSON_PATCH, ACCOUNT, ServiceAccount, [operation]) == (422, REJECTED)


def test_json_patch_bad_documents() -> None:
    assert refused(JSON_PATCH, CONFIG, ConfigMap, {}) == (
        400,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
    )
    assert refused(JSON_PATCH, CONFIG, ConfigMap, "[{") == (400, "error decoding patch: unexpected end of JSON input")
    assert refused(JSON_PATCH, CONFIG, ConfigMap, [{"op": "test"}] * 10_001)[0] == 413


def test_a_path_without_slash_loses_its_first_segment() -> None:
    body = b'[{"op":"add","path":"data/x","value":"y"}]'
    assert apply_patch(JSON_PATCH, body, json.dumps(CONFIG).encode(), ConfigMap).problems == ('unknown field "x"',)


@pytest.mark.parametrize(
    ("patch", "data"),
    [
        ({"data": {"one": None, "x": "y"}}, {"two": "2", "x": "y"}),
        ({"data": None}, None),
        ({"binaryData": {"a": None}}, {"one": "1", "two": "2"}),
        ({}, {"one": "1", "two": "2"}),
    ],
)
def test_merge_patch(patch: Any, data: Any) -> None:
    assert patched(MERGE_PATCH, CONFIG, ConfigMap, patch).get("data") == data


def test_merge_patch_refusals() -> None:
    go = "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
    assert refused(MERGE_PATCH, CONFIG, ConfigMap, []) == (400, go)
    assert refused(MERGE_PATCH, CONFIG, ConfigMap, "null") == (400, "Invalid JSON Patch")
    code, message = refused(MERGE_PATCH, CONFIG, ConfigMap, {"data": {"one": {}}})
    assert (code, message.startswith(' "" is invalid: patch: Invalid value: "{')) == (422, True)
    assert message.endswith("json: cannot unmarshal object into Go struct field ConfigMap.data of type string")
    assert refused(MERGE_PATCH, CONFIG, ConfigMap, '{"data":{"a":"1","a":"2"}}', "Strict")[1].endswith(
        'strict decoding error: duplicate field "data.a"'
    )


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


@pytest.mark.parametrize(
    ("spec", "containers", "env"),
    [
        ({"containers": [{"name": "two", "image": "x"}]}, ["one", "two"], ["A", "B"]),
        ({"containers": [{"name": "two"}, {"name": "one"}]}, ["two", "one"], ["A", "B"]),
        ({"containers": [{"name": "three", "image": "3"}]}, ["three", "one", "two"], ["A", "B"]),
        ({"containers": [{"name": "one", "env": [{"name": "B", "$patch": "delete"}]}]}, ["one", "two"], ["A"]),
        ({"containers": [{"name": "one", "env": None}]}, ["one", "two"], []),
        ({"containers": [{"name": "one", "env": []}]}, ["one", "two"], ["A", "B"]),
        ({"containers": [{"name": "one", "env": [{"name": "Z"}, {"$patch": "replace"}]}]}, ["one", "two"], ["Z"]),
        (
            {"$setElementOrder/containers": [{"name": "two"}, {"name": "new"}, {"name": "one"}],
             "containers": [{"name": "new"}]},
            ["two", "new", "one"],
            ["A", "B"],
        ),
    ],
)  # fmt: skip
def test_strategic_lists(spec: Any, containers: list[str], env: list[str]) -> None:
    found = patched(STRATEGIC_MERGE_PATCH, TEMPLATE, PodTemplate, {"template": {"spec": spec}})["template"]["spec"]
    assert names(found["containers"]) == containers
    assert names(next(c for c in found["containers"] if c["name"] == "one").get("env", [])) == env


def test_strategic_maps_and_unions() -> None:
    spec = {"volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}],
            "tolerations": [{"key": "b"}]}  # fmt: skip
    found = patched(STRATEGIC_MERGE_PATCH, TEMPLATE, PodTemplate, {"template": {"spec": spec}})["template"]["spec"]
    assert found["volumes"][0] == {"name": "v", "configMap": {"name": "c"}}
    assert found["tolerations"] == [{"key": "b"}]
    replaced = patched(STRATEGIC_MERGE_PATCH, CONFIG, ConfigMap, {"data": {"$patch": "replace", "x": "y"}})
    assert replaced["data"] == {"x": "y"}
    deleted = patched(STRATEGIC_MERGE_PATCH, CONFIG, ConfigMap, {"data": {"$patch": "delete", "x": "y"}})
    assert "data" not in deleted


def test_strategic_primitive_lists() -> None:
    live = {"metadata": {"name": "a", "finalizers": ["x/a", "x/b", "x/c"]}}
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/b"], "finalizers": ["x/d"]}}
    found = patched(STRATEGIC_MERGE_PATCH, live, ConfigMap, patch)
    assert found["metadata"]["finalizers"] == ["x/d", "x/a", "x/c"]
    patch = {"metadata": {"$setElementOrder/finalizers": ["x/e", "x/c", "x/a"], "finalizers": ["x/e"]}}
    assert patched(STRATEGIC_MERGE_PATCH, live, ConfigMap, patch)["metadata"]["finalizers"] == [
        "x/e", "x/b", "x/c", "x/a",
    ]  # fmt: skip


def spec(value: Any) -> dict[str, Any]:
    return {"template": {"spec": value}}


@pytest.mark.parametrize(
    ("kind", "live", "patch", "code", "message"),
    [
        (PodTemplate, TEMPLATE, spec({"containers": [{"image": "x"}]}), 500,
         "map: map[image:x] does not contain declared merge key: name"),
        (PodTemplate, TEMPLATE, spec({"containers": [{"$patch": "destroy", "name": "two"}]}), 500,
         "unknown patch type: destroy in map: map[$patch:destroy name:two]"),
        (PodTemplate, TEMPLATE, spec({"containers": [{"$patch": "merge", "name": "two"}]}), 500,
         "merging lists cannot yet be specified in the patch"),
        (ConfigMap, CONFIG, {"data": {"$patch": 5, "five": "5"}}, 500,
         "unknown patch type: %!s(int64=5) in map: map[$patch:5 five:5]"),
        (ConfigMap, {"metadata": {"finalizers": ["a/a"]}},
         {"metadata": {"$setElementOrder/finalizers": ["a/a"], "finalizers": ["a/f"]}}, 500,
         "The order in patch list:\n[a/f]\n doesn't match $setElementOrder list:\n[a/a]\n"),
        (Deployment, {"spec": {"strategy": {"type": "RollingUpdate"}}},
         {"spec": {"strategy": {"$retainKeys": ["rollingUpdate"], "type": "Recreate"}}}, 400,
         "invalid patch format of retainKeys"),
        (PodTemplate, {"template": spec({"containers": [{"name": "a"}]})["template"]},
         spec({"containers": ["text"]}), 500, "list element types are not identical: [[map[name:a]] [text]]"),
        (PodTemplate, TEMPLATE, spec({"containers": {"name": "a"}}), 422,
         ' "" is invalid: patch: Invalid value: "map[template:map[spec:map[containers:map[name:a]]]]": '
         "cannot restore slice from map"),
        (PodTemplate, TEMPLATE, {"template": {"spec": "wrong"}}, 422,
         ' "" is invalid: patch: Invalid value: "map[template:map[spec:wrong]]": cannot restore struct from: string'),
        (PodTemplate, TEMPLATE, spec({"containers": [{"name": "one", "image": 5}]}), 422,
         ' "" is invalid: patch: Invalid value: "map[template:map[spec:map[containers:[map[image:5 name:one]]]]]": '
         "cannot convert int64 to string"),
        (ConfigMap, CONFIG, [], 400, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (ConfigMap, CONFIG, '{"a":', 400, "unexpected end of JSON input"),
    ],
)  # fmt: skip
def test_strategic_refusals(kind: type[Any], live: Any, patch: Any, code: int, message: str) -> None:
    assert refused(STRATEGIC_MERGE_PATCH, live, kind, patch) == (code, message)


def test_unknown_fields_of_a_strategic_patch_show_what_was_left_of_it() -> None:
    patch = spec({"$setElementOrder/containers": [{"name": "one"}], "containers": [{"name": "one", "imag": "x"}]})
    message = (
        ' "" is invalid: patch: Invalid value: "map[template:map[spec:map[]]]": strict decoding error: '
        'unknown field "template.spec.containers[0].imag"'
    )
    assert refused(STRATEGIC_MERGE_PATCH, TEMPLATE, PodTemplate, patch, "Strict") == (422, message)


@pytest.mark.parametrize(
    ("media_type", "body", "named"),
    [
        (MERGE_PATCH, b'{"metadata":{"labels":{"a":"b"}}}', ["metadata"]),
        (MERGE_PATCH, b'{"imagePullSecrets":null,"secrets":[]}', ["image_pull_secrets", "secrets"]),
        (STRATEGIC_MERGE_PATCH, b'{"secrets":[{"$patch":"replace"}]}', ["secrets"]),
        (MERGE_PATCH, b"{}", []),
        (STRATEGIC_MERGE_PATCH, b'{"$patch":"replace"}', None),
        (STRATEGIC_MERGE_PATCH, b'{"$retainKeys":["secrets"],"secrets":[]}', None),
        (MERGE_PATCH, b'{"kind":"Secret"}', None),
        (MERGE_PATCH, b'{"unknown":1}', None),
        (MERGE_PATCH, b'{"secrets":[],"secrets":[]}', None),
        (MERGE_PATCH, b"[]", None),
        (MERGE_PATCH, b"{", None),
        (JSON_PATCH, b'[{"op":"remove","path":"/secrets"}]', None),
    ],
)
def test_the_members_that_a_patch_is_about(media_type: str, body: bytes, named: list[str] | None) -> None:
    assert members_named(media_type, body, ServiceAccount) == named


@pytest.mark.parametrize(
    ("media_type", "body", "looked", "unseen"),
    [
        (
            JSON_PATCH,
            "{}",
            (400, "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
            (400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ),
        (
            JSON_PATCH,
            "[1]",
            (400, "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
            (400, "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
        ),
        (
            JSON_PATCH,
            "[",
            (400, "error decoding patch: unexpected end of JSON input"),
            (400, "unexpected end of JSON input"),
        ),
        (
            JSON_PATCH,
            '[{"op": "add", "path": 5}]',
            (
                400,
                "error decoding patch: "
                "json: cannot unmarshal number into Go struct field jsonPatchOp.path of type string",
            ),
            (422, "the server rejected our request due to an error in our request"),
        ),
        (
            MERGE_PATCH,
            "{",
            (400, "error decoding patch: unexpected end of JSON input"),
            (400, "Invalid JSON Patch"),
        ),
        (
            MERGE_PATCH,
            "5",
            (
                400,
                "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}",
            ),
            (400, "Invalid JSON Patch"),
        ),
    ],
)
def test_bad_documents_have_other_words_where_nobody_looks_into_them(
    media_type: str, body: str, looked: tuple[int, str], unseen: tuple[int, str]
) -> None:
    assert refused(media_type, CONFIG, ConfigMap, body) == looked
    assert refused(media_type, CONFIG, ConfigMap, body, "Ignore") == unseen


def test_null_is_an_operation_that_says_nothing() -> None:
    assert refused(JSON_PATCH, CONFIG, ConfigMap, "[null]")[0] == 422


class TestBombs:
    """Small patches that would make large things."""

    def test_copies_make_no_more_than_a_few_megabytes(self) -> None:
        doubling: list[Any] = [{"op": "add", "path": "/data", "value": {"a": "x" * 1000}}]
        doubling += [{"op": "copy", "from": "/data", "path": f"/data/{n}"} for n in range(60)]
        with pytest.raises(StatusError) as refused:
            apply_patch(JSON_PATCH, json.dumps(doubling).encode(), encode(ConfigMap()), ConfigMap)
        assert refused.value.code == 422

    def test_what_is_nested_too_deeply_is_refused(self) -> None:
        deepening = [{"op": "add", "path": "/data" + "/a" * n, "value": {}} for n in range(3000)]
        with pytest.raises(StatusError) as refused:
            apply_patch(JSON_PATCH, json.dumps(deepening).encode(), encode(ConfigMap()), ConfigMap)
        assert refused.value.code == 422

    @pytest.mark.parametrize("media_type", [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH])
    def test_numbers_that_are_none(self, media_type: str) -> None:
        body = b'[{"op":"add","path":"/data","value":1e999}]' if media_type == JSON_PATCH else b'{"data":{"a":-1e999}}'
        with pytest.raises(StatusError) as refused:
            apply_patch(media_type, body, encode(ConfigMap()), ConfigMap)
        assert refused.value.code == 400

    def test_long_lists_merge_in_proportion_to_their_length(self) -> None:
        live = encode(ConfigMap(metadata=ObjectMeta(finalizers=tuple(f"a/{n}" for n in range(30_000)))))
        names = [f"a/{n}" for n in range(15_000, 45_000)]
        body = {"metadata": {"$setElementOrder/finalizers": names, "finalizers": names}}
        found = apply_patch(STRATEGIC_MERGE_PATCH, json.dumps(body).encode(), live, ConfigMap)
        assert len(found.obj.metadata.finalizers) == 45_000
        body = {"metadata": {"$deleteFromPrimitiveList/finalizers": names}}
        found = apply_patch(STRATEGIC_MERGE_PATCH, json.dumps(body).encode(), live, ConfigMap)
        assert len(found.obj.metadata.finalizers) == 15_000


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (MERGE_PATCH, {"kind": None, "apiVersion": None}),
        (MERGE_PATCH, {"apiVersion": None}),
        (JSON_PATCH, [{"op": "remove", "path": "/apiVersion"}]),
    ],
)
def test_an_object_that_lost_its_version_is_unknown_as_a_whole(media_type: str, body: Any) -> None:
    found = apply_patch(media_type, json.dumps(body).encode(), json.dumps(CONFIG).encode(), ConfigMap)
    assert found.problems == tuple(
        f'unknown field "{key}"' for key in sorted(CONFIG) if key not in ("apiVersion", "kind")
    )
    assert found.obj == ConfigMap()
    code, message = refused(media_type, CONFIG, ConfigMap, body, "Strict")
    assert code == 422
    assert 'strict decoding error: unknown field "data"' in message
