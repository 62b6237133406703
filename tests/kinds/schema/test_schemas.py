"""Schemas of custom resources: what they prune, fill in, and have against values."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.kinds.schema import checking, defaulting, lists, structural
from pilothouse.kinds.schema.pruning import prune
from pilothouse.kinds.schema.ratcheting import unchanged

EITHER = {"x-kubernetes-int-or-string": True}
TEXT = {"type": "string"}


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("raw", "value", "kept", "unknown"),
    [
        (schema(a=TEXT), {"a": "x", "b": 1}, {"a": "x"}, ["b"]),
        (schema(a=schema(b=TEXT)), {"a": {"b": "x", "c": {"d": 1}}}, {"a": {"b": "x"}}, ["a.c"]),
        (schema(l={"type": "array", "items": schema(a=TEXT)}), {"l": [{}, {"b": 1}]}, {"l": [{}, {}]}, ["l[1].b"]),
        (schema(m={"type": "object", "additionalProperties": TEXT}), {"m": {"x": "y"}}, {"m": {"x": "y"}}, []),
        (
            schema(k={"type": "object", "x-kubernetes-preserve-unknown-fields": True, **schema(s=schema(a=TEXT))}),
            {"k": {"any": {"thing": 1}, "s": {"a": "x", "b": 1}}},
            {"k": {"any": {"thing": 1}, "s": {"a": "x"}}},
            ["k.s.b"],
        ),
        (schema(a=TEXT, n={**TEXT, "nullable": True}), {"a": None, "n": None}, {"n": None}, []),
        (
            schema(e={**schema(), "x-kubernetes-embedded-resource": True}),
            {"e": {"apiVersion": "v1", "kind": "P", "metadata": {"x": 1}, "spec": {}}},
            {"e": {"apiVersion": "v1", "kind": "P", "metadata": {"x": 1}}},
            ["e.spec"],
        ),
    ],
)
def test_what_a_schema_does_not_know_is_dropped(raw: Any, value: Any, kept: Any, unknown: list[str]) -> None:
    found: list[str] = []
    before = repr(value)
    assert prune(structural.parse(raw), value, found) == kept
    assert found == unknown
    assert repr(value) == before


@pytest.mark.parametrize(
    ("raw", "value", "filled"),
    [
        (schema(a={**TEXT, "default": "d"}), {}, {"a": "d"}),
        (schema(a={**TEXT, "default": "d"}), {"a": None}, {"a": "d"}),
        (schema(a={**TEXT, "default": "d", "nullable": True}), {"a": None}, {"a": None}),
        (schema(o=schema(a={**TEXT, "default": "d"})), {}, {}),
        (schema(o={**schema(a={**TEXT, "default": "d"}), "default": {}}), {}, {"o": {"a": "d"}}),
        (schema(l={"type": "array", "items": schema(a={**TEXT, "default": "d"})}), {"l": [{}]}, {"l": [{"a": "d"}]}),
    ],
)
def test_defaults(raw: Any, value: Any, filled: Any) -> None:
    assert defaulting.compiled(structural.parse(raw))(value) == filled


def test_a_value_that_lacks_nothing_is_shared() -> None:
    value = {"o": {"a": "x"}}
    assert defaulting.compiled(structural.parse(schema(o=schema(a={**TEXT, "default": "d"}))))(value) is value
    assert prune(structural.parse(schema(o=schema(a=TEXT))), value) is value


def told(raw: Any, value: Any) -> list[tuple[str, str]]:
    check = checking.compiled(raw)
    found = [fault.error("") for fault in check(value)] if check is not None else []
    return [(error.path, error.message) for error in found]


@pytest.mark.parametrize(
    ("raw", "value", "message"),
    [
        (TEXT, 1, 'Invalid value: "integer": a in body must be of type string: "integer"'),
        ({"type": "integer"}, 1.0, ""),
        ({"type": "number"}, 1, ""),
        ({"type": "integer", "format": "int64"}, True, 'Invalid value: "": a in body must be of type int64: ""'),
        ({**TEXT, "maxLength": 1}, "ab", "Too long: may not be more than 1 byte"),
        ({**TEXT, "pattern": "^a"}, "b", "Invalid value: \"b\": a in body should match '^a'"),
        ({**TEXT, "enum": ["x"]}, "y", 'Unsupported value: "y": supported values: "x"'),
        ({**TEXT, "format": "ipv4"}, "::1", 'Invalid value: "::1": a in body must be of type ipv4: "::1"'),
        (EITHER, 1.5, 'Invalid value: "number": a in body must be of type integer,string: "number"'),
        ({"type": "number", "multipleOf": 0.5}, 0.75, "Invalid value: 0.75: a in body should be a multiple of 0.5"),
        ({"type": "number", "maximum": 1}, 2.0, "Invalid value: 2: a in body should be less than or equal to 1"),
        ({"multipleOf": 0}, 1.5, "Invalid value: 0: factor MultipleOf declared for a must be positive: 0"),
        ({**TEXT, "not": {"enum": ["x"]}}, "x", 'Invalid value: "": "a" must not validate the schema (not)'),
        ({**TEXT, "nullable": True}, None, ""),
    ],
)  # fmt: skip
def test_checks(raw: Any, value: Any, message: str) -> None:
    found = told(schema(a=raw), {"a": value})
    assert [m for _, m in found] == ([message] if message else [])


def test_the_failure_that_got_furthest_is_told() -> None:
    both = {"required": ["b"], "properties": {"b": TEXT, "c": TEXT}}
    found = told({**schema(b=TEXT, c=TEXT), "oneOf": [{"required": ["a"]}, both]}, {"c": "x"})
    assert found[1:] == [("b", "Required value")]


def test_repeated_items() -> None:
    keyed = {
        "type": "array",
        "items": schema(k=TEXT),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
    }
    repeats = lists.compiled(structural.parse(schema(l=keyed)))
    assert repeats is not None
    found = repeats({"l": [{"k": "a"}, {"k": "b"}, {"k": "a"}, {"k": "a"}]}, "")
    assert [(error.path, error.value) for error in found] == [("l[2]", {"k": "a"})]


def test_what_an_update_leaves_is_let_stay() -> None:
    keyed = {"type": "array", "items": schema(k=TEXT, v=TEXT), "x-kubernetes-list-type": "map"}
    parsed = structural.parse(schema(l={**keyed, "x-kubernetes-list-map-keys": ["k"]}, s=TEXT))
    old = {"l": [{"k": "a", "v": "1"}], "s": "x"}
    new = {"l": [{"k": "b", "v": "2"}, {"k": "a", "v": "1"}], "s": "y"}
    assert unchanged(parsed, new, old, ("l", 1, "v"))
    assert not unchanged(parsed, new, old, ("l", 0, "v"))
    assert not unchanged(parsed, new, old, ("s",))


def test_schemas_of_a_type_alone_share_a_check() -> None:
    """What is kept of a large definition is little, and so is what the cycle collector has to walk through."""
    leaves = [{"type": "string", "description": f"the {i}th"} for i in range(50)]
    assert len({id(checking.compiled(leaf)) for leaf in leaves}) == 1
    others: list[Any] = [
        {"type": "integer"},
        {"type": "string", "nullable": True},
        {"type": "string", "format": "date"},
    ]
    made = [checking.compiled(raw) for raw in [leaves[0], *others, {"type": "string", "maxLength": 3}]]
    assert len({id(check) for check in made}) == 5
    assert [[bool(check(value)) for value in ("long", None)] for check in made if check is not None] == [
        [False, True], [True, True], [False, False], [True, True], [True, True],
    ]  # fmt: skip
