"""Protobuf: every generated type survives the way there and back; numbers are those of the specification."""

from __future__ import annotations

import json
import pathlib
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.api import scheme
from pilothouse.api.codec import protobuf
from pilothouse.api.codec.json import decode, encode, from_builtins
from pilothouse.api.shapes import Shape, fields_of_struct, generated_structs, shape_of
from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.api.types.core.v1 import ConfigMap, Pod, PodList
from pilothouse.api.types.meta import v1 as meta
from pilothouse.api.types.meta.v1 import DeleteOptions, ListMeta, ObjectMeta, Status
from pilothouse.kit.protobuf import varint

from .objects import trees

ROOT = pathlib.Path(__file__).parents[2]
TYPES = [t for t in generated_structs() if not t.__name__.startswith("Table")]


def sample(shape: Shape, depth: int, dice: random.Random) -> Any:
    """A value with every field set, down to `depth`."""
    if shape.kind == "struct":
        return {
            name: sample(field.shape, depth - 1, dice)
            for name, field in fields_of_struct(shape.struct).items()
            if name not in ("kind", "apiVersion") and (depth > 0 or field.shape.kind not in ("struct", "list", "map"))
        }
    if shape.kind in ("list", "map"):
        assert shape.element is not None
        item = sample(shape.element, depth - 1, dice)
        return [item] if shape.kind == "list" else {"k": item, "": item}
    if shape.kind == "raw":
        bare = shape.go.rpartition(".")[2]
        return {"JSONSchemaPropsOrStringArray": ["a"], "JSONSchemaPropsOrBool": True}.get(bare, {"type": "string"})
    return {
        "string": "é", "bool": True, "int": dice.choice((1, 200)), "float": 1.5, "bytes": "AP8=", "duration": "1m0s",
        "time": "2026-01-02T03:04:05Z", "micro_time": "2026-01-02T03:04:05.000006Z", "quantity": "1500m",
        "int_or_string": dice.choice((7, "http")),
    }[shape.kind]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=lambda t: f"{t.__module__[21:]}.{t.__name__}")
def test_every_type_with_every_field(kind: type[Any]) -> None:
    obj = from_builtins(sample(shape_of(kind), 2, random.Random(1)), kind)
    assert protobuf.decode_message(protobuf.encode_message(obj), kind) == obj
    assert protobuf.decode_message(protobuf.encode_message(kind()), kind) == kind()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_object(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(TYPES))
    obj = from_builtins(data.draw(trees(shape_of(kind))), kind)
    assert protobuf.decode_message(protobuf.encode_message(obj), kind) == obj


def test_numbers_are_those_of_the_specification() -> None:
    spec = json.loads((ROOT / "spec" / "protobuf-v1.36.json").read_text())
    checked = 0
    for package, messages in spec.items():
        path = package.split(".")
        for name, rows in messages.items():
            try:
                kind = scheme.type_of(path[-2] if path[-2] != "v1" else "meta", path[-1], name)
            except KeyError:
                continue
            numbers = {f.json_name.lower() or f.go_type.lower(): f.number for f in scheme.facts_of(kind).fields}
            for number, (json_name, *_) in rows.items():
                bare = json_name.lower().replace("xkubernetes", "x-kubernetes-").replace("_", "")
                if bare in numbers:
                    assert numbers[bare] == int(number), (package, name, json_name)
                    checked += 1
    assert checked > 2000


def test_envelope_and_golden_bytes() -> None:
    obj = ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "v"})
    body = protobuf.encode(obj)
    # k8s\0, typeMeta{v1, ConfigMap}, then the object, contentEncoding and contentType empty
    assert body.startswith(b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12")
    assert body.endswith(b'\x1a\0"\0')
    assert b"\x12\x06\n\x01k\x12\x01v" in body
    assert protobuf.open_envelope(body)[:2] == ("v1", "ConfigMap")
    assert protobuf.decode(body, ConfigMap) == obj


@pytest.mark.parametrize(
    ("seconds", "nanos", "shown"),
    [
        (0, 0, "1970-01-01T00:00:00.000000Z"),
        (-62135596798, 0, "0001-01-01T00:00:02.000000Z"),  # a zero time moved on, as clients make it
        (-1, 999_999_999, "1969-12-31T23:59:59.999999Z"),
        (253402300799, 5000, "9999-12-31T23:59:59.000005Z"),
    ],
)
def test_moments_of_all_years_are_canonical(seconds: int, nanos: int, shown: str) -> None:
    moment = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
    spec = b"\x1a" + bytes([len(moment)]) + moment
    lease = protobuf.decode_message(b"\x12" + bytes([len(spec)]) + spec, Lease)
    assert lease.spec is not None
    assert lease.spec.acquire_time == shown
    assert decode(encode(lease), Lease) == lease, "what is stored can be read"


def test_list_of_encoded_items_is_a_list() -> None:
    pods = [Pod(metadata=ObjectMeta(name=n)) for n in "ab"]
    body = protobuf.encode_list("v1", "PodList", ListMeta(resource_version="5"), map(protobuf.encode_message, pods))
    assert protobuf.decode(body, PodList) == PodList(metadata=ListMeta(resource_version="5"), items=tuple(pods))
    assert protobuf.encode(protobuf.decode(body, PodList)) == body


def test_watch_frame() -> None:
    frame = protobuf.watch_frame("ADDED", b"k8s\0x")
    assert frame[:4] == len(frame[4:]).to_bytes(4, "big")
    assert frame[4:] == b"\n\x05ADDED\x12\x07\n\x05k8s\0x"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x0a\x05ab", "unexpected EOF"),
        (b"\x08\x01", "proto: wrong wireType = 0 for field Metadata"),
        (b"\x04", "proto: ConfigMap: wiretype end group for non-group"),
        (b"\xff" * 11, "proto: integer overflow"),
        (b"\x00\x01", "proto: ConfigMap: illegal tag 0 (wire type 0)"),
    ],
)
def test_errors(data: bytes, error: str) -> None:
    with pytest.raises(protobuf.ProtobufError) as raised:
        protobuf.decode_message(data, ConfigMap)
    assert str(raised.value) == error


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=64), st.sampled_from([Pod, Status, DeleteOptions, ConfigMap]))
def test_any_bytes_give_an_object_or_the_error(data: bytes, kind: type[Any]) -> None:
    try:
        protobuf.decode_message(data, kind)
    except protobuf.ProtobufError:
        return


def test_a_list_with_a_name_of_its_own_is_a_message() -> None:
    listed = meta.APIResourceList(resources=(meta.APIResource(name="pods", verbs=("get", "list")),))
    wire = protobuf.encode(listed)
    assert b'"\x0b\n\x03get\n\x04list' in wire
    assert protobuf.decode(wire, meta.APIResourceList) == listed
