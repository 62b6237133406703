"""Discovery and OpenAPI documents against what the real server answered."""

from __future__ import annotations

import copy
import gzip
import json
import pathlib
from typing import Any

import pytest

from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver.discovery import documents as discovery
from pilothouse.apiserver.openapi import documents as openapi
from pilothouse.apiserver.openapi import gnostic, plain, v2

DATA = pathlib.Path(__file__).parents[2] / "data/golden/discovery.json.gz"
RECORDED: dict[str, Any] = json.loads(gzip.decompress(DATA.read_bytes()))
GROUPS = discovery.grouped(SERVED)
V3 = sorted(name for name in RECORDED if name.startswith("openapi-v3-") and "body" in RECORDED[name][0])


def recorded(name: str, step: int = 0) -> Any:
    return RECORDED[name][step]["body"]


def test_groups_in_their_order() -> None:
    assert discovery.group_list({name: list(v) for name, v in GROUPS.items() if name}) == recorded("groups")


@pytest.mark.parametrize("name", sorted(n for n in RECORDED if n.startswith("group-")))
def test_each_group_and_its_versions(name: str) -> None:
    group = recorded(name)["name"]
    assert discovery.group_document(group, list(GROUPS[group])) == recorded(name)
    for answer in RECORDED[name][1:]:
        version = answer["body"]["groupVersion"].rpartition("/")[2]
        assert discovery.resource_list(f"{group}/{version}", GROUPS[group][version]) == answer["body"]


def test_aggregated_documents() -> None:
    assert discovery.aggregated({"": GROUPS[""]}) == recorded("aggregated-core")
    assert discovery.aggregated({n: v for n, v in GROUPS.items() if n}) == recorded("aggregated-groups")


def without_prose(document: dict[str, Any]) -> dict[str, Any]:
    """What of a v3 document was recorded: no descriptions, and of paths only their methods."""
    schemas = copy.deepcopy(document["components"]["schemas"])
    paths = {path: {m: {} for m in item if m != "parameters"} for path, item in document["paths"].items()}
    return {"components": {"schemas": schemas}, "paths": paths}


@pytest.mark.parametrize("name", [n for n in V3 if "index" not in n and "unknown" not in n])
def test_v3_schemas_and_paths(name: str) -> None:
    wanted = recorded(name)
    base = next(iter(wanted["paths"])).strip("/").split("/")
    group, version = ("", "v1") if base[0] == "api" else (base[1], base[2])
    made = without_prose(openapi.v3(GROUPS[group][version], "v1.36.2", {}))
    assert made["paths"] == wanted["paths"]
    assert set(made["components"]["schemas"]) == set(wanted["components"]["schemas"])
    for definition, schema in wanted["components"]["schemas"].items():
        ours = made["components"]["schemas"][definition]
        for name_of_field, told in list(schema.get("properties", {}).items()):
            if isinstance(told, str):  # the recording masks what is called continue, uid, ...
                schema["properties"][name_of_field] = ours["properties"][name_of_field]
        # and it drops what is called description
        ours.get("properties", {}).pop("description", None)
        schema.get("properties", {}).pop("description", None)
        assert ours == schema, definition


def test_v3_index_names_every_document() -> None:
    names = {f"apis/{group}/{version}" if group else f"api/{version}" for group in GROUPS for version in GROUPS[group]}
    index = openapi.v3_index(dict.fromkeys({*names, *plain.answers(GROUPS)}, "H"))
    assert index["paths"]["apis/apps/v1"] == {"serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=H"}
    assert set(index["paths"]) == set(recorded("openapi-v3-index")["paths"])


def test_v2_has_the_same_definitions_and_paths() -> None:
    document = v2.document(GROUPS, "v1.36.2", {})
    assert set(document["definitions"]) == set(recorded("openapi-v2-index")["definitions"])
    assert set(document["paths"]) == set(recorded("openapi-v2-index")["paths"])
    references = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                references.add(value["$ref"])
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)

    walk(document)
    assert {r.removeprefix("#/definitions/") for r in references} <= set(document["definitions"])


def fields(data: bytes) -> dict[int, bytes]:
    """The length-delimited fields of a message, by number."""
    found, at = {}, 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        assert tag & 7 == 2
        size = varint()
        found[tag >> 3] = data[at : at + size]
        at += size
    return found


def test_v2_in_protobuf_holds_the_schema_where_gnostic_looks_for_it() -> None:
    document = fields(gnostic.encode({"swagger": "2.0", "definitions": {"a": {"type": "object", "x-k": [1]}}}))
    assert document[1] == b"2.0"
    named = fields(fields(document[9])[1])
    assert named[1] == b"a"
    schema = fields(named[2])
    assert fields(schema[22]) == {1: b"object"}
    extension = fields(schema[31])
    assert (extension[1], fields(extension[2])[2]) == (b"x-k", b"[1]")
