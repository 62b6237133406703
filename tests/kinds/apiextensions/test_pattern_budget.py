"""Patterns of a definition, together: some kilobytes of them would be compiled for many seconds."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition, JSONSchemaProps
from pilothouse.kinds.apiextensions.pattern_budget import pattern_errors
from pilothouse.kinds.apiextensions.validation import validate
from pilothouse.kinds.schema import regexps

PATH = "spec.versions[0].schema.openAPIV3Schema"


def version(schema: dict[str, Any]) -> tuple[str, JSONSchemaProps]:
    return PATH, convert(schema, JSONSchemaProps)


def large(count: int) -> list[dict[str, Any]]:
    return [{"type": "string", "pattern": rf"^(\pL){{1,{60 + at}}}x$"} for at in range(count)]


def test_no_pattern_is_compiled_after_the_one_that_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    ask = regexps.size
    monkeypatch.setattr(regexps, "size", lambda pattern: sizes.append(ask(pattern)) or sizes[-1])
    properties = {f"p{at}": schema for at, schema in enumerate(large(100))}
    (found,) = pattern_errors([version({"type": "object", "properties": properties})])
    assert found.path.startswith(f"{PATH}.properties[p")
    assert "expression too large" in found.message
    assert sum(sizes[:-1]) <= 1_000_000 < sum(sizes)
    assert len(sizes) < 20


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"items": {"allOf": large(30)}}, f"{PATH}.items.allOf["),
        ({"not": {"properties": {"a": {"anyOf": large(30)}}}}, f"{PATH}.not.properties[a].anyOf["),
        ({"additionalProperties": {"oneOf": large(30)}}, f"{PATH}.additionalProperties.oneOf["),
    ],
)
def test_patterns_are_found_wherever_they_stand(schema: dict[str, Any], path: str) -> None:
    (found,) = pattern_errors([version({"type": "object", **schema})])
    assert found.path.startswith(path)


def test_what_people_write_is_far_from_it() -> None:
    names = {f"p{at}": {"type": "string", "pattern": rf"^[a-z0-9]([-a-z0-9]*[a-z0-9])?{at}$"} for at in range(3000)}
    one = version({"type": "object", "properties": names})
    assert pattern_errors([one]) == []
    assert pattern_errors([version({"type": "object", "properties": {"a": {"pattern": "("}}})]) == []


@pytest.mark.parametrize("count", [1, 100])
def test_one_that_is_too_large_by_itself_is_told_as_upstream_does(count: int) -> None:
    """Where all versions share a schema, upstream looks at it in one place. A hundred of them are not all tried."""
    properties = {f"p{at}": {"type": "string", "pattern": rf"^(\pL){{1,{900 + at}}}x$"} for at in range(count)}
    schema = {"type": "object", "properties": properties}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    crd = convert(
        {"spec": {"versions": [served, {**served, "name": "v2", "storage": False}]}}, CustomResourceDefinition
    )
    (found,) = [error for error in validate(crd) if "regular expression" in error.message]
    assert found.path.startswith("spec.validation.openAPIV3Schema.properties[p")
    assert "expression too large" in found.message
