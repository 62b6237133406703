"""The index of OpenAPI tells of each custom resource's state, and asks no schema for it: it is made on the loop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest

from pilothouse.api.codec import json as codec
from pilothouse.api.facts import Resource
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition as Crd
from pilothouse.apiserver.customresources.version import Version
from pilothouse.apiserver.endpoints.openapi import Customs, OpenApi
from pilothouse.apiserver.openapi.custom import Custom
from pilothouse.apiserver.request.context import Context
from pilothouse.kit.http.messages import Response


class Untouchable(dict[str, Any]):
    """A schema that is too large to be walked through."""

    def _touched(self, *_: object) -> Any:
        raise AssertionError("a schema was walked through")

    __repr__ = __iter__ = __eq__ = keys = items = values = _touched
    __hash__ = None


class Word(str):
    """Counts how often it is written out."""

    __slots__ = ()
    written = 0

    def __repr__(self) -> str:
        Word.written += 1
        return str.__repr__(self)


def custom(group: str, digest: str = "one") -> Custom:
    resource = Resource(group, "v1", "widgets", "Widget", "widget", True, ("get", "list"))
    return Custom(resource, Word("WidgetList"), Untouchable(), digest)


class Served:
    def __init__(self, customs: Sequence[Custom]) -> None:
        self.customs = list(customs)
        self.asked = 0
        self.openapi = OpenApi(dict, "v1")
        self.openapi.customs = self.published

    def published(self) -> Customs:
        self.asked += 1
        return {(c.resource.group, c.resource.version): [c] for c in self.customs}

    async def index(self) -> dict[str, str]:
        answer = await self.openapi.answer(cast(Context, None), ["v3"])
        assert isinstance(answer, Response)
        assert isinstance(answer.body, bytes)
        return {name: told["serverRelativeURL"] for name, told in json.loads(answer.body)["paths"].items()}


async def test_a_change_is_told_of_the_changed_document_alone() -> None:
    served = Served([custom("a.example.com"), custom("b.example.com")])
    before = await served.index()
    served.customs[1] = custom("b.example.com", "two")
    served.openapi.changed()
    after = await served.index()
    assert {name for name in before if before[name] != after[name]} == {"apis/b.example.com/v1"}


@pytest.mark.parametrize("count", [10, 40])
async def test_each_resource_is_written_once_for_an_index(count: int) -> None:
    served = Served([custom(f"g{at}.example.com") for at in range(count)])
    Word.written = 0
    assert len(await served.index()) >= 2 * count
    assert Word.written == count
    assert served.asked <= 3


def test_digests_tell_schemas_apart() -> None:
    def digest(description: str) -> str:
        schema = {"openAPIV3Schema": {"type": "object", "description": description}}
        declared = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": "example.com", "names": {"plural": "ws", "kind": "W"}, "versions": [declared]}
        crd = codec.from_builtins({"metadata": {"name": "ws.example.com"}, "spec": spec}, Crd)
        assert crd.spec.versions
        return Version(crd, crd.spec.versions[0]).digest

    assert digest("a") == digest("a") != digest("b")
