"""Field managers and server-side apply, step by step as kube-apiserver v1.36.2 did them (tests/data/apply.json)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from pilothouse.api import scheme
from pilothouse.api.codec import strict
from pilothouse.api.codec.json import decode_any, encode, from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import ManagedFieldsEntry
from pilothouse.apiserver.apply import Entries, FieldManager, Kind, configuration, typed
from pilothouse.apiserver.apply.fieldset import of_paths
from pilothouse.apiserver.apply.schema import node_of
from pilothouse.apiserver.apply.updater import MissingVersionError

RECORDED = json.loads((pathlib.Path(__file__).parents[2] / "data" / "apply.json").read_text())
NOW = "2026-01-01T00:00:00Z"


def manager(kind: type[Any], subresource: str = "") -> FieldManager:
    name, version = strict.identity(kind)
    ignored = of_paths([("spec",) if subresource else ("status",)])
    empty = decode_any(encode(kind()))
    return FieldManager(Kind({version: node_of(kind)}, {version: ignored}), version, name, empty, subresource)


def shown(entries: Entries) -> list[dict[str, Any]]:
    found = []
    for entry in json.loads(encode(entries)):
        entry["hastime"] = entry.pop("time", None) is not None
        found.append(entry)
    return sorted(found, key=lambda e: json.dumps(e, sort_keys=True))


def bare(tree: dict[str, Any], kind: type[Any]) -> dict[str, Any]:
    found = json.loads(encode(typed(tree, kind)))
    for key in ("managedFields", "generation", "resourceVersion", "uid", "creationTimestamp"):
        found["metadata"].pop(key, None)
    found.pop("status", None)
    return dict(found)


@pytest.mark.parametrize("step", RECORDED, ids=lambda s: s["case"])
def test_recorded(step: dict[str, Any]) -> None:
    kind = scheme.type_of(*step["kind"])
    fields = manager(kind, step["sub"])
    held = [from_builtins(entry, ManagedFieldsEntry) for entry in step["held"]]
    if step["verb"] == "update":
        assert shown(fields.update(step["live"], step["new"], held, None, step["manager"], NOW)) == step["entries"]
        return
    config = configuration(step["body"].encode())[0]
    if "error" in step:
        with pytest.raises(StatusError) as raised:
            fields.apply(step["live"], config, held, step["manager"], NOW, step["force"])
        assert raised.value.status.message == step["error"]
        return
    found = fields.apply(step["live"], config, held, step["manager"], NOW, step["force"])
    assert shown(found.entries) == step["entries"]
    assert bare(found.tree if found.tree is not None else step["live"], kind) == step["tree"]


def config(data: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", **metadata}, "data": data}


def test_what_is_given_up_is_removed_unless_others_own_it() -> None:
    fields = manager(ConfigMap)
    first = fields.apply(None, config({"a": "1", "b": "1"}), (), "one", NOW)
    assert first.tree is not None
    second = fields.apply(first.tree, config({"b": "1"}), first.entries, "two", NOW)
    assert second.tree is None
    assert [(e.manager, e.time) for e in second.entries] == [("two", None), ("one", NOW)]
    third = fields.apply(first.tree, config({}), second.entries, "one", NOW)
    assert third.tree is not None
    assert third.tree["data"] == {"b": "1"}
    assert {e.manager for e in third.entries} == {"one", "two"}


def test_tracking_stops_and_starts_again() -> None:
    fields = manager(ConfigMap)
    live, new = config({"a": "1"}), config({"a": "2"})
    assert fields.update(live, new, (), None, "x", NOW) == ()
    held = fields.update(None, live, (), None, "x", NOW)
    assert fields.update(live, new, held, (), "y", NOW) == ()
    assert fields.update(live, new, held, (ManagedFieldsEntry(),), "y", NOW) == ()
    found = fields.apply(live, config({"b": "1"}), (), "y", NOW)
    assert [e.manager for e in found.entries] == ["y", "before-first-apply"]


def test_malformed_entries_of_a_request_are_ignored() -> None:
    fields = manager(ConfigMap)
    live, new = config({"a": "1"}), config({"a": "2"})
    held = fields.update(None, live, (), None, "x", NOW)
    for fields_v_1 in ({"f:": 1}, {"x": {}}, {"k:1": {}}):
        bad = ManagedFieldsEntry(
            manager="z", operation="Update", api_version="v1", fields_type="FieldsV1", fields_v_1=fields_v_1
        )
        assert [e.manager for e in fields.update(live, new, held, (bad,), "y", NOW)] == ["x", "y"]


def test_entries_of_a_version_that_is_gone_are_dropped() -> None:
    fields = manager(ConfigMap)
    gone = ManagedFieldsEntry(
        manager="z", operation="Update", api_version="v0", fields_type="FieldsV1", fields_v_1={"f:data": {"f:a": {}}}
    )
    found = fields.update(config({"a": "1"}), config({"a": "2"}), (gone,), None, "y", NOW)
    assert [e.manager for e in found] == ["y"]
    with pytest.raises(MissingVersionError):
        fields.kind.type_of("v0")


def test_at_most_ten_updaters() -> None:
    fields = manager(ConfigMap)
    live, held = config({"k0": "0"}), fields.update(None, config({"k0": "0"}), (), None, "m0", NOW)
    for at in range(1, 14):
        new = config({**live["data"], f"k{at}": "x"})
        held = fields.update(live, new, held, None, f"m{at:02}", f"2026-01-01T00:00:{at:02}Z")
        live = new
    assert len(held) == 10
    ancient = next(e for e in held if e.manager == "ancient-changes")
    assert set(ancient.fields_v_1["f:data"]) >= {"f:k0", "f:k1", "f:k2"}


def test_configurations_that_are_none() -> None:
    for body, message in (
        (b"just text", "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
         "string into Go value of type map[string]interface {}"),
        (b"a: {b: c", "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected "
         "',' or '}'"),
    ):  # fmt: skip
        with pytest.raises(StatusError) as raised:
            configuration(body)
        assert raised.value.status.message.replace("yaml: did", "yaml: line 1: did") == message
    assert configuration(b"a: 1\na: 2") == ({"a": 2}, ('line 2: key "a" already set in map',))
    with pytest.raises(StatusError, match="error strict decoding YAML"):
        configuration(b"a: 1\na: 2", "Strict")


def test_values_that_do_not_fit() -> None:
    tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"x": "not base64!"}}
    with pytest.raises(StatusError) as raised:
        typed(tree, ConfigMap)
    assert raised.value.status.message == (
        "failed to convert new object (/a; /v1, Kind=ConfigMap) to proper version: unable to convert unstructured "
        "object to /v1, Kind=ConfigMap: error decoding from json: illegal base64 data at input byte 3"
    )
