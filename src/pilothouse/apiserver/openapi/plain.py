"""Paths that answer one document of no resource: versions, groups, the issuer's keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse.api.types.meta import v1 as meta
from pilothouse.apiserver.openapi import names, schemas
from pilothouse.apiserver.openapi.descriptions import Described
from pilothouse.apiserver.openapi.operations import ANSWERS
from pilothouse.apiserver.openapi.schemas import META

VERSION_INFO = "io.k8s.apimachinery.pkg.version.Info"
_BUILD_FIELDS = (
    "major",
    "minor",
    "gitVersion",
    "gitCommit",
    "gitTreeState",
    "buildDate",
    "goVersion",
    "compiler",
    "platform",
)
_COMPATIBILITY_FIELDS = ("emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor")
_ALWAYS = {
    ".well-known/openid-configuration": "",
    "openid/v1/jwks": "",
    "version": VERSION_INFO,
    "api": f"{META}.APIVersions",
    "apis": f"{META}.APIGroupList",
}


_SAID = {
    ".well-known/openid-configuration": (
        "getServiceAccountIssuerOpenIDConfiguration",
        "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
        ("application/json",),
    ),
    "openid/v1/jwks": (
        "getServiceAccountIssuerOpenIDKeyset",
        "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
        ("application/jwk-set+json",),
    ),
    "version": ("getCodeVersion", "get the version information for this server", ("application/json",)),
    "api": ("getCoreAPIVersions", "get available API versions", ANSWERS),
    "apis": ("getAPIVersions", "get available API versions", ANSWERS),
}
"""Operation, description and media types of the plain paths."""


def _of_group(name: str) -> tuple[str, str, tuple[str, ...]]:
    prefix = names.group_prefix(name.removeprefix("apis/"))
    return f"get{prefix}APIGroup", "get information of a group", ANSWERS


def answers(groups: Iterable[str]) -> dict[str, str]:
    """Paths without their outer slashes to the definition that they answer, "" for text."""
    return _ALWAYS | {f"apis/{group}": f"{META}.APIGroup" for group in groups if group}


def definitions(names: Iterable[str], told: Mapping[str, Described]) -> dict[str, dict[str, Any]]:
    """The definitions of what plain paths answer, and those that they refer to."""
    wanted = set(names) - {""}
    roots = {name: getattr(meta, name.rpartition(".")[2]) for name in wanted - {VERSION_INFO}}
    kinds = {name: [{"group": "", "kind": name.rpartition(".")[2], "version": "v1"}] for name in roots}
    found = schemas.closure(roots, kinds, told)
    return found | ({VERSION_INFO: version_info(told)} if VERSION_INFO in wanted else {})


def operation(name: str, answer: str) -> dict[str, Any]:
    """The GET of a plain path, as v3 writes it."""
    schema = {"$ref": schemas.REFERENCE + answer} if answer else {"type": "string"}
    own, description, types = _SAID.get(name) or _of_group(name)
    first, _, group = name.partition("/")
    tag = "core" if name == "api" else group.removesuffix(".k8s.io") if group and first == "apis" else first
    return {
        "description": description,
        "operationId": own,
        "responses": {
            "200": {"description": "OK", "content": {media: {"schema": schema} for media in types}},
            "401": {"description": "Unauthorized"},
        },
        "tags": [names.identifier(tag, False)],
    }


def v3(name: str, answer: str, server_version: str, told: Mapping[str, Described]) -> dict[str, Any]:
    """The document of one plain path."""
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": server_version},
        "paths": {f"/{name}/": {"get": operation(name, answer)}},
        "components": {"schemas": definitions([answer], told)},
    }


def version_info(told: Mapping[str, Described]) -> dict[str, Any]:
    said = told.get(VERSION_INFO, Described())
    schema: dict[str, Any] = {"type": "object", "required": [*_BUILD_FIELDS]}
    schema["properties"] = {
        name: {"type": "string"} | ({"default": ""} if name in _BUILD_FIELDS else {})
        for name in (*_BUILD_FIELDS, *_COMPATIBILITY_FIELDS)
    }
    for name, field in said.properties.items():
        if field.description and name in schema["properties"]:
            schema["properties"][name]["description"] = field.description
    return ({"description": said.description} if said.description else {}) | schema
