"""Documents as deep as they may be are handled by everybody who walks them; deeper ones are refused with a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.api.codec import protobuf
from pilothouse.api.codec.depth import DEEPEST, too_deep
from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.kit.clock import SystemClock
from tests.apiserver.servers import Ask, asked

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
Tree = dict[str, Any]
Nest = Callable[[Tree], Tree]
# How a schema is put into another one, and how many levels of JSON that takes.
NESTING: dict[str, tuple[Nest, int]] = {
    "properties": (lambda inner: {"type": "object", "properties": {"a": inner}}, 2),
    "items": (lambda inner: {"type": "array", "items": inner}, 1),
    "additionalProperties": (lambda inner: {"type": "object", "additionalProperties": inner}, 1),
}
# Those that only check values stand below a property.
CHECKING: dict[str, tuple[Nest, int]] = {
    "not": (lambda inner: {"not": inner}, 1),
    "allOf": (lambda inner: {"allOf": [inner]}, 2),
    "anyOf": (lambda inner: {"anyOf": [inner, {"minLength": 1}]}, 2),
    "oneOf": (lambda inner: {"oneOf": [inner, {"maxLength": 1}]}, 2),
}


def definition(name: str, schema: Tree) -> Tree:
    names = {"plural": f"{name}s", "singular": name, "kind": name.capitalize(), "listKind": f"{name.capitalize()}List"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}s.deep.example"},
        "spec": {"group": "deep.example", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def schema(keyword: str, levels: int) -> Tree:
    if keyword in NESTING:
        found: Tree = {"type": "string"}
        for _ in range(levels):
            found = NESTING[keyword][0](found)
    else:
        found = {"pattern": "^a"}
        for _ in range(levels):
            found = CHECKING[keyword][0](found)
        found = {"type": "string", **found}
    return {"type": "object", "properties": {"spec": found}}


def value(keyword: str, levels: int) -> Any:
    found: Any = "ab" if levels % 2 == 0 or keyword != "not" else "b"
    if keyword in CHECKING:
        return found
    for _ in range(levels):
        found = [found] if keyword == "items" else {"a": found}
    return found


def deepest(keyword: str) -> int:
    """The most levels that a definition may have."""
    step = {**NESTING, **CHECKING}[keyword][1]
    levels = DEEPEST // step
    while too_deep(json.dumps(definition("x", schema(keyword, levels))).encode()):
        levels -= 1
    return levels


async def sent(ask: Ask, method: str, path: str, body: Any, media: str = "application/json") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await ask(path, method=method, body=data, Content_Type=media)
    return answer.status, json.loads(answer.body)


async def served(ask: Ask, name: str) -> None:
    """Return when a definition is served, which the server does in a moment."""
    clock = SystemClock()
    async with clock.timeout(20):
        while (await ask(f"/apis/deep.example/v1/{name}s")).status != 200:
            await clock.sleep(0.005)


@pytest.mark.parametrize("keyword", [*NESTING, *CHECKING])
async def test_a_definition_as_deep_as_it_may_be_is_served_and_used(keyword: str) -> None:
    levels = deepest(keyword)
    async with asked() as ask:
        status, made = await sent(ask, "POST", CRDS, definition("one", schema(keyword, levels)))
        assert status == 201, made.get("message", "")[:300]
        await served(ask, "one")
        for document in ("/openapi/v2", "/openapi/v3/apis/deep.example/v1", "/apis/deep.example/v1"):
            assert (await ask(document)).status == 200
        base = "/apis/deep.example/v1/namespaces/default/ones"
        body = {"apiVersion": "deep.example/v1", "kind": "One", "metadata": {"name": "a"}}
        body["spec"] = value(keyword, levels)
        status, said = await sent(ask, "POST", base, body)
        assert status == 201, said.get("message", "")[:300]
        applied = await sent(ask, "PATCH", f"{base}/a?fieldManager=m&force=true", body, "application/apply-patch+yaml")
        assert applied[0] == 200, applied[1].get("message", "")[:300]
        merged = await sent(
            ask, "PATCH", f"{base}/a", {"metadata": {"labels": {"a": "b"}}}, "application/merge-patch+json"
        )
        assert merged[0] == 200, merged[1].get("message", "")[:300]
        assert (await ask(f"{CRDS}/ones.deep.example", method="DELETE")).status == 200


@pytest.mark.parametrize("keyword", [*NESTING, *CHECKING])
@pytest.mark.parametrize("more", [1, 10, 1_000, 100_000])
async def test_a_deeper_definition_is_refused_and_others_are_served(keyword: str, more: int) -> None:
    levels = deepest(keyword) + more
    opening, closing = {
        "properties": (b'{"type":"object","properties":{"a":', b"}}"),
        "items": (b'{"type":"array","items":', b"}"),
        "additionalProperties": (b'{"type":"object","additionalProperties":', b"}"),
        "not": (b'{"not":', b"}"),
        "allOf": (b'{"allOf":[', b"]}"),
        "anyOf": (b'{"anyOf":[', b"]}"),
        "oneOf": (b'{"oneOf":[', b"]}"),
    }[keyword]
    count = min(levels, 2_900_000 // len(opening + closing))
    mark = json.dumps(definition("two", {"type": "object", "properties": {"spec": "MARK"}})).encode()
    body = mark.replace(b'"MARK"', opening * count + b'{"type":"string"}' + closing * count)
    async with asked() as ask:
        status, said = await sent(ask, "POST", CRDS, body)
        message = said.pop("message", "")
        assert (status, said.get("reason"), "exceeded max depth" in message) == (400, "BadRequest", True)
        assert (await sent(ask, "POST", CRDS, definition("three", schema("items", 2))))[0] == 201
        await served(ask, "three")


async def test_a_deep_definition_in_protobuf() -> None:
    async with asked() as ask:
        for levels, expected in ((deepest("not"), 201), (deepest("not") + 1, 400), (1500, 400)):
            tree = definition(f"p{levels}", schema("not", levels))
            body = protobuf.encode(from_builtins(tree, CustomResourceDefinition))
            answer = await ask(CRDS, method="POST", body=body, Content_Type=protobuf.CONTENT_TYPE)
            assert answer.status == expected, levels
