"""The OpenAPI documents of a server: v3 for each group version, v2 for all at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.api import scheme
from pilothouse.api.facts import Resource
from pilothouse.api.types.meta import v1 as meta
from pilothouse.apiserver.openapi import names, schemas
from pilothouse.apiserver.openapi.descriptions import Described
from pilothouse.apiserver.openapi.operations import ANSWERS, PRETTY, Operation, Path, PathWriter, base_of
from pilothouse.apiserver.openapi.schemas import META, REFERENCE, definition_name

TITLE = "Kubernetes"
_RESPONSES = {
    "create": ("200", "201", "202"),
    "update": ("200", "201"),
    "patch": ("200", "201"),
    "delete": ("200", "202"),
}
_DESCRIPTIONS = {"200": "OK", "201": "Created", "202": "Accepted", "401": "Unauthorized"}
# Kinds every group version speaks, which meta/v1 defines.
_EVERYWHERE = ("DeleteOptions", "WatchEvent")


def _define(group: str, version: str, kind: str) -> str:
    return definition_name(scheme.type_of(group, version, kind))


def _info(version: str) -> dict[str, str]:
    return {"title": TITLE, "version": version}


def _meta_types() -> dict[str, Any]:
    """Definition names of meta/v1 to types; None for what `schemas.SPECIAL` says."""
    named = {f"{META}.{name}": getattr(meta, name) for name in ("APIResourceList", "DeleteOptions", "Status")}
    return {**named, f"{META}.WatchEvent": None, f"{META}.Patch": None}


class Gathered:
    """The types that a set of resources speaks, and their paths."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = list(resources)
        self.paths: list[Path] = []
        self.roots: dict[str, Any] = {}
        self.kinds: dict[str, list[dict[str, str]]] = {
            _define(r.group, r.version, r.kind): [{"group": r.group, "kind": r.kind, "version": r.version}]
            for r in scheme.BY_KIND.values()
        }
        for resource in self.resources:
            self.paths += PathWriter(resource, self._known).paths()
        used = {name for path in self.paths for op in path.operations for name in (op.body, op.answer) if name}
        for name, kind in _meta_types().items():
            if name in used or name.endswith("APIResourceList"):
                self.roots[name] = kind
        self.kinds |= meta_kinds(self.resources)

    def _known(self, group: str, version: str, kind: str) -> str:
        found = scheme.type_of(group, version, kind)
        name = definition_name(found)
        self.roots[name] = found
        gvk = {"group": group, "kind": kind, "version": version}
        if gvk not in self.kinds.setdefault(name, []):
            self.kinds[name].append(gvk)
        return name


def meta_kinds(resources: Iterable[Resource]) -> dict[str, list[dict[str, str]]]:
    """The kinds of those definitions that every group version speaks."""
    versions = sorted({(r.group, r.version) for r in resources} | {("", "v1")})
    kinds: dict[str, list[dict[str, str]]] = {}
    for kind in _EVERYWHERE:
        gvks = [{"group": group, "kind": kind, "version": version} for group, version in versions]
        kinds[f"{META}.{kind}"] = gvks
    for kind in ("Status", "APIResourceList"):
        kinds[f"{META}.{kind}"] = [{"group": "", "kind": kind, "version": "v1"}]
    return kinds


def operation_v3(operation: Operation, group: tuple[str, str], descriptions: Mapping[str, Described]) -> dict[str, Any]:
    """An operation as v3 writes it; `group` are group and version of its resource. Parameters that are fields of
    DeleteOptions too are described by that type."""
    said = descriptions.get(f"{META}.DeleteOptions", Described()).properties

    def content(types: tuple[str, ...], name: str) -> dict[str, Any]:
        return {kind: {"schema": {"$ref": REFERENCE + name} if name else {"type": "string"}} for kind in types}

    codes = _RESPONSES.get(operation.verb, ("200",))
    answer = content(operation.answer_types, operation.answer)
    told: dict[str, Any] = {
        "description": operation.description,
        "operationId": operation.id,
        "parameters": [_described(parameter, said) for parameter in operation.parameters],
        "responses": {code: {"description": _DESCRIPTIONS[code], "content": answer} for code in codes},
        "tags": [names.tag(*group)],
    }
    told["responses"]["401"] = {"description": _DESCRIPTIONS["401"]}
    if operation.body:
        told["requestBody"] = {"content": content(operation.body_types, operation.body)}
        if operation.body_needed:
            told["requestBody"]["required"] = True
    return told | _marks(operation)


def _described(parameter: Mapping[str, Any], said: Mapping[str, Described]) -> dict[str, Any]:
    text = said.get(parameter["name"], Described()).description
    return {**parameter, "description": text} if text else dict(parameter)


def _marks(operation: Operation) -> dict[str, Any]:
    group, version, kind = operation.kind
    return {
        "x-kubernetes-action": operation.verb if operation.verb not in ("create", "update") else operation.method,
        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
    }


def path_parameters(path: Path) -> list[dict[str, Any]]:
    """The parameters of all operations of a path."""
    said = {"name": f"name of the {path.kind}", "path": "path to the resource"}
    required = [
        {
            "name": variable,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "uniqueItems": True},
            **({"description": said[variable]} if variable in said else {}),
        }
        for variable in path.variables
    ]
    return [*required, PRETTY]


def _index_path(base: str) -> dict[str, Any]:
    group, _, version = base.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
    schema = {"schema": {"$ref": f"{REFERENCE}{META}.APIResourceList"}}
    return {
        "get": {
            "description": "get available resources",
            "operationId": f"get{names.group_prefix(group, version)}APIResources",
            "responses": {
                "200": {"description": "OK", "content": dict.fromkeys(ANSWERS, schema)},
                "401": {"description": "Unauthorized"},
            },
            "tags": [names.tag(group, version)],
        }
    }


def v3(resources: Iterable[Resource], server_version: str, told: Mapping[str, Described]) -> dict[str, Any]:
    """The document of one group version; `told` are the descriptions of types and fields."""
    gathered = Gathered(resources)
    base, group = base_of(gathered.resources[0]), (gathered.resources[0].group, gathered.resources[0].version)
    paths: dict[str, Any] = {f"{base}/": _index_path(base)}
    for path in gathered.paths:
        item: dict[str, Any] = {op.method: operation_v3(op, group, told) for op in path.operations}
        paths[path.path] = {**item, "parameters": path_parameters(path)}
    return {
        "openapi": "3.0.0",
        "info": _info(server_version),
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": schemas.closure(gathered.roots, gathered.kinds, told),
            "securitySchemes": {
                "BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"},
            },
        },
        "security": [{"BearerToken": []}],
    }


def v3_index(hashes: Mapping[str, str]) -> dict[str, Any]:
    """/openapi/v3: the documents there are, each with the hash that lets a client keep it for ever."""
    return {"paths": {name: {"serverRelativeURL": relative_url(name, tag)} for name, tag in sorted(hashes.items())}}


def relative_url(name: str, tag: str) -> str:
    return f"/openapi/v3/{name}?hash={tag}"


def document_hash(document: bytes) -> str:
    return hashlib.sha512(document).hexdigest().upper()
