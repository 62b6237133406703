"""The OpenAPI v2 document: all kinds of the server at once, converted from what v3 says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pilothouse.api.facts import Resource
from pilothouse.apiserver.openapi import custom, documents, plain, schemas
from pilothouse.apiserver.openapi.descriptions import Described

DEFINITIONS = "#/definitions/"
_BODY = {"name": "body", "in": "body"}


def _convert(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A v3 schema as v2 writes it: references elsewhere, a single allOf unwrapped."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace(schemas.REFERENCE, DEFINITIONS)}
    found = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in found:
            found[key] = _convert(found[key])
    if "properties" in found:
        found["properties"] = {name: _convert(value) for name, value in found["properties"].items()}
    if "allOf" in found:
        found |= _convert(found.pop("allOf")[0])
        found.pop("default", None)
    if "oneOf" in found:  # v2 has none: these are written as text
        del found["oneOf"]
        found["type"] = "string"
    return found


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in parameter.items() if key != "schema"}
    return {**flat, **parameter["schema"]}


def _operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    told = {k: v for k, v in operation.items() if k not in ("requestBody", "responses", "parameters")}
    parameters = [_parameter(p) for p in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        types = list(body["content"])
        parameters.insert(0, {**_BODY, "required": True, "schema": _convert(body["content"][types[0]]["schema"])})
        told["consumes"] = types
    told["parameters"] = parameters
    told["responses"] = {}
    for code, answer in operation["responses"].items():
        told["responses"][code] = {"description": answer["description"]}
        if content := answer.get("content"):
            told["produces"] = list(content)
            told["responses"][code]["schema"] = _convert(next(iter(content.values()))["schema"])
    return told


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {method: _operation(op) for method, op in item.items() if method != "parameters"}
    if "parameters" in item:
        told["parameters"] = [_parameter(p) for p in item["parameters"]]
    return told


def _plain(name: str, answer: str) -> dict[str, Any]:
    """A path that answers one document of no resource."""
    return {"get": {**_operation(plain.operation(name, answer)), "schemes": ["https"]}}


def document(
    groups: Mapping[str, Mapping[str, Iterable[Resource]]],
    server_version: str,
    told: Mapping[str, Described],
    customs: Mapping[tuple[str, str], Sequence[custom.Custom]] = MappingProxyType({}),
) -> dict[str, Any]:
    """The document for group to version to resources, in discovery's order, and for custom resources by group and
    version; `told` describes types and fields."""
    plainly = plain.answers([*groups, *dict.fromkeys(group for group, _ in customs)])
    paths: dict[str, Any] = {f"/{name}/": _plain(name, answer) for name, answer in plainly.items()}
    definitions: dict[str, Any] = {}
    for versions in groups.values():
        for resources in versions.values():
            one = documents.v3(resources, server_version, told)
            _merge_definitions(definitions, one["components"]["schemas"])
            paths |= {path: _item(item) for path, item in one["paths"].items()}
    for found in customs.values():
        one = custom.document(found, told, v2=True)
        _merge_definitions(definitions, one["components"]["schemas"])
        paths |= {path: _item(item) for path, item in one["paths"].items()}
    _merge_definitions(definitions, plain.definitions(plainly.values(), told))
    return {
        "swagger": "2.0",
        "info": {"title": documents.TITLE, "version": server_version},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
        "securityDefinitions": {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}},
        "security": [{"BearerToken": []}],
    }


def _merge_definitions(into: dict[str, Any], found: Mapping[str, Any]) -> None:
    """Add definitions; one that is known by several groups has the kinds of all of them."""
    mark = "x-kubernetes-group-version-kind"
    for name, schema in found.items():
        converted = _convert(schema)
        known = into.setdefault(name, converted)
        for kind in converted.get(mark, ()):
            if kind not in known[mark]:
                known[mark].append(kind)
