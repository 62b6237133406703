"""OpenAPI of custom resources: the schema of a definition with what all objects have, and paths like those of any kind.

v2 cannot say all that v3 does: there a schema keeps the parts that clients of v2 understand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pilothouse.api import scheme
from pilothouse.api.facts import Resource
from pilothouse.api.types.meta import v1 as meta
from pilothouse.apiserver.openapi import documents, schemas
from pilothouse.apiserver.openapi.descriptions import Described
from pilothouse.apiserver.openapi.operations import JSON, LIST, PATCHES, VERSION_OF, Operation, PathWriter
from pilothouse.apiserver.openapi.schemas import META, REFERENCE, definition_name

TITLE, VERSION = "Kubernetes CRD Swagger", "v0.1.0"
_YAML = "application/yaml"
_STATED = "io.k8s.api.core.v1.Pod"
_SAID = "defines the versioned schema of this representation of an object."
_CONVENTIONS = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_EMBEDDED = {
    "apiVersion": f"apiVersion {_SAID} {_CONVENTIONS}#resources",
    "kind": f"kind is a string value representing the type of this object. In CamelCase. {_CONVENTIONS}#types-kinds",
}
# All versions of the API's own groups that upstream's types know: custom resources are told of options in each.
BUILT_IN_VERSIONS = tuple(
    (group, version)
    for group, versions in (
        ("", "v1"),
        ("admissionregistration.k8s.io", "v1 v1alpha1 v1beta1"),
        ("apps", "v1 v1beta1 v1beta2"),
        ("authentication.k8s.io", "v1 v1alpha1 v1beta1"),
        ("authorization.k8s.io", "v1 v1beta1"),
        ("autoscaling", "v1 v2"),
        ("batch", "v1 v1beta1"),
        ("certificates.k8s.io", "v1 v1alpha1 v1beta1"),
        ("coordination.k8s.io", "v1 v1alpha2 v1beta1"),
        ("discovery.k8s.io", "v1 v1beta1"),
        ("events.k8s.io", "v1 v1beta1"),
        ("extensions", "v1beta1"),
        ("flowcontrol.apiserver.k8s.io", "v1 v1beta1 v1beta2 v1beta3"),
        ("internal.apiserver.k8s.io", "v1alpha1"),
        ("networking.k8s.io", "v1 v1beta1"),
        ("node.k8s.io", "v1 v1alpha1 v1beta1"),
        ("policy", "v1 v1beta1"),
        ("rbac.authorization.k8s.io", "v1 v1alpha1 v1beta1"),
        ("resource.k8s.io", "v1 v1alpha3 v1beta1 v1beta2"),
        ("scheduling.k8s.io", "v1 v1alpha2 v1beta1"),
        ("storage.k8s.io", "v1 v1alpha1 v1beta1"),
        ("storagemigration.k8s.io", "v1beta1"),
    )
    for version in versions.split()
)
_UNSAID_IN_V2 = ("anyOf", "oneOf", "allOf", "not", "nullable")


class Custom(NamedTuple):
    """A served version of a custom resource, the kind of its lists, and its schema, None if it has none.
    `digest` tells one schema from another: to compare or to hash them takes long, and is done once for each."""

    resource: Resource
    list_kind: str
    schema: Mapping[str, Any] | None
    digest: str


def name_of(group: str, version: str, kind: str) -> str:
    """`com.example.v1.Widget`: the group turned around, as Java's packages are."""
    return ".".join([*reversed(group.split(".")), version, kind])


def document(customs: Sequence[Custom], told: Mapping[str, Described], v2: bool = False) -> dict[str, Any]:
    """The v3 document of the custom resources of one group version; with `v2` as v2 can say it."""
    found: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    roots: dict[str, Any] = {
        f"{META}.{name}": getattr(meta, name) for name in ("DeleteOptions", "ListMeta", "ObjectMeta", "Status")
    }
    roots[f"{META}.Patch"] = None
    for custom in customs:
        paths |= _paths(custom, roots, told)
        found |= _definitions(custom, told, v2)
    kinds = documents.meta_kinds([custom.resource for custom in customs])
    kinds[f"{META}.DeleteOptions"] = [
        {"group": group, "kind": "DeleteOptions", "version": version} for group, version in BUILT_IN_VERSIONS
    ]
    found |= schemas.closure(roots, kinds, told)
    return {
        "openapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(found.items()))},
    }


def _paths(custom: Custom, roots: dict[str, Any], told: Mapping[str, Described]) -> dict[str, Any]:
    r = custom.resource

    def define(group: str, version: str, kind: str) -> str:
        if (group, version) == (r.group, r.version):
            return name_of(group, version, custom.list_kind if kind == f"{r.kind}List" else kind)
        found = scheme.type_of(group, version, kind)
        roots[definition_name(found)] = found
        return definition_name(found)

    quiet = replace_verbs(r)
    paths: dict[str, Any] = {}
    for path in PathWriter(quiet, define).paths():
        item = {op.method: documents.operation_v3(_own(op, r), (r.group, r.version), told) for op in path.operations}
        item.get("patch", {}).get("responses", {}).pop("201", None)  # none is made by a patch, it says
        paths[path.path] = {**item, "parameters": documents.path_parameters(path)}
    return paths


def _own(operation: Operation, resource: Resource) -> Operation:
    """An operation as it is told of custom resources, whose objects have no protobuf form; that of a Scale is about the
    resource."""
    patching, kind = operation.verb == "patch", (resource.group, resource.version, resource.kind)
    types = PATCHES[:3] if patching else (JSON, _YAML)
    found = replace(operation, answer_types=(JSON, _YAML), body_types=types, kind=kind)
    if operation.verb == "deletecollection":
        return replace(found, body="", parameters=LIST)
    return replace(found, parameters=(VERSION_OF,)) if operation.verb == "get" else found


def replace_verbs(resource: Resource) -> Resource:
    """The resource without watches, which have no paths of their own here."""
    return resource._replace(verbs=tuple(verb for verb in resource.verbs if verb != "watch"))


def _definitions(custom: Custom, told: Mapping[str, Described], v2: bool) -> dict[str, Any]:
    r = custom.resource
    own, listed = (name_of(r.group, r.version, kind) for kind in (r.kind, custom.list_kind))
    raw = custom.schema
    if raw is None or (v2 and raw.get("x-kubernetes-preserve-unknown-fields")):
        # Not even metadata: clients of v2 would take every other member for unknown.
        schema: dict[str, Any] = {"type": "object"}
    else:
        said = told.get(_STATED, Described()).properties
        schema = _schema(raw, told, v2)
        schema["properties"] = {**schema.get("properties", {}), **_identity(said), **_metadata("ObjectMeta", said)}
    return {
        own: schema | _marked(r, r.kind),
        listed: _list(custom, own, told) | _marked(r, custom.list_kind),
    }


def _marked(resource: Resource, kind: str) -> dict[str, Any]:
    gvk = {"group": resource.group, "kind": kind, "version": resource.version}
    return {"x-kubernetes-group-version-kind": [gvk]}


def _list(custom: Custom, own: str, told: Mapping[str, Described]) -> dict[str, Any]:
    said = told.get(f"{_STATED}List", Described()).properties
    items = {"type": "array", "items": {"$ref": REFERENCE + own}}
    return {
        "type": "object",
        "description": f"{custom.list_kind} is a list of {custom.resource.kind}",
        "required": ["items"],
        "properties": {
            **_identity(said),
            **_metadata("ListMeta", said),
            "items": {"description": f"List of {custom.resource.resource}. {_CONVENTIONS}", **items},
        },
    }


def _identity(said: Mapping[str, Described]) -> dict[str, Any]:
    return {
        name: {"type": "string"} | _described(said.get(name, Described()).description)
        for name in ("apiVersion", "kind")
    }


def _metadata(kind: str, said: Mapping[str, Described]) -> dict[str, Any]:
    text = said.get("metadata", Described()).description
    return {"metadata": {"allOf": [{"$ref": f"{REFERENCE}{META}.{kind}"}], **_described(text)}}


def _described(text: str) -> dict[str, Any]:
    return {"description": text} if text else {}


def _schema(raw: Mapping[str, Any], told: Mapping[str, Described], v2: bool) -> dict[str, Any]:
    """A part of a definition's schema as it is published."""
    found = dict(raw)
    for key in ("items", "additionalProperties", "not"):
        if isinstance(found.get(key), Mapping):
            found[key] = _schema(found[key], told, v2)
    for key in ("allOf", "anyOf", "oneOf"):
        if key in found:
            found[key] = [_schema(part, told, v2) for part in found[key]]
    if "properties" in found:
        found["properties"] = {name: _schema(inner, told, v2) for name, inner in found["properties"].items()}
    if found.get("x-kubernetes-int-or-string") and "anyOf" not in found:
        found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if found.get("x-kubernetes-embedded-resource"):
        said = told.get(_STATED, Described()).properties
        own = {name: {"type": "string", "description": text} for name, text in _EMBEDDED.items()}
        found["properties"] = {**found.get("properties", {}), **own, **_metadata("ObjectMeta", said)}
        found["required"] = list(dict.fromkeys([*found.get("required", ()), "kind", "apiVersion"]))
    return _as_v2(found) if v2 else found


def _as_v2(schema: dict[str, Any]) -> dict[str, Any]:
    """What clients of v2 understand; they take nothing for a type where more than one value may stand."""
    if schema.get("nullable"):
        for key in ("type", "properties", "items", "additionalProperties", "required"):
            schema.pop(key, None)
    for key in _UNSAID_IN_V2:
        schema.pop(key, None)
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        for key in ("properties", "items", "required"):
            schema.pop(key, None)
        if schema.get("type") == "object":
            schema.pop("additionalProperties", None)
    return schema
