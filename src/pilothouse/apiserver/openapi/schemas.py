"""Schemas of generated types, as kube-openapi writes them."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Mapping
from typing import Any

from pilothouse.api.facts import TypeFact
from pilothouse.api.shapes import FieldShape, Shape, fields_of_struct
from pilothouse.apiserver.openapi.descriptions import Described

REFERENCE = "#/components/schemas/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_SPECIAL_NAMES = {
    "resource.Quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "intstr.IntOrString": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "runtime.RawExtension": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "Time": f"{META}.Time",
    "MicroTime": f"{META}.MicroTime",
    "Duration": f"{META}.Duration",
    "FieldsV1": f"{META}.FieldsV1",
}
WATCH_EVENT = f"{META}.WatchEvent"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
_ANY_JSON = ("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")
SPECIAL: dict[str, dict[str, Any]] = {
    _SPECIAL_NAMES["resource.Quantity"]: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    _SPECIAL_NAMES["intstr.IntOrString"]: {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
    },
    _SPECIAL_NAMES["runtime.RawExtension"]: {"type": "object"},
    f"{META}.Time": {"type": "string", "format": "date-time"},
    f"{META}.MicroTime": {"type": "string", "format": "date-time"},
    f"{META}.Duration": {"type": "string"},
    f"{META}.FieldsV1": {"type": "object"},
    f"{META}.Patch": {"type": "object"},
    **{f"{_EXTENSIONS}.{name}": {} for name in _ANY_JSON},
}
# Discriminated unions that the types declare: discriminator and the fields it chooses from.
_CORE, _FLOW = "io.k8s.api.core.v1", "io.k8s.api.flowcontrol.v1"
_UNIONS: dict[str, dict[str, Any]] = {
    name: ({"discriminator": discriminator} if discriminator else {}) | {"fields-to-discriminateBy": fields}
    for name, discriminator, fields in (
        (f"{_CORE}.AppArmorProfile", "type", {"localhostProfile": "LocalhostProfile"}),
        (f"{_CORE}.SeccompProfile", "type", {"localhostProfile": "LocalhostProfile"}),
        (f"{_CORE}.PodSchedulingGroup", "", {"podGroupName": "PodGroupName"}),
        (f"{_FLOW}.LimitResponse", "type", {"queuing": "Queuing"}),
        (f"{_FLOW}.PriorityLevelConfigurationSpec", "type", {"exempt": "Exempt", "limited": "Limited"}),
        (f"{_FLOW}.Subject", "kind", {"group": "Group", "serviceAccount": "ServiceAccount", "user": "User"}),
    )
}
# Types whose fields have no comments: a reference of theirs stands bare, since nothing is beside it.
_UNDOCUMENTED: dict[str, set[str]] = {"JSONSchemaProps": {"default"}, "IngressRuleValue": set()}
# Enums whose values the facts do not tell.
_MORE_ENUMS = {
    "PathType": ["Exact", "ImplementationSpecific", "Prefix"],
    "AddressType": ["FQDN", "IPv4", "IPv6"],
    "DeviceAllocationMode": ["All", "ExactCount"],
}
_CONSTANTS = {"ref(AzureDataDiskCachingReadWrite)": "ReadWrite", "ref(AzureSharedBlobDisk)": "Shared"}
_UNTOLD = Described()
_INTEGER_FORMATS = {"int32": "int32", "int64": "int64", "int": "int64", "uint8": "byte"}


@functools.cache
def _facts(module: str) -> Any:
    return importlib.import_module(module + "_facts")


def _fact_of(kind: Any) -> TypeFact:
    fact: TypeFact = _facts(kind.__module__).TYPES[kind.__name__]
    return fact


def definition_name(kind: Any) -> str:
    """`io.k8s.api.apps.v1.Deployment` for a generated type."""
    return f"io.k8s.{_facts(kind.__module__).GO_PACKAGE.replace('/', '.')}.{kind.__name__}"


def _bare(go: str) -> str:
    return go.lstrip("*").rpartition(".")[2]


def _special(field: FieldShape | None, shape: Shape, go: str) -> str | None:
    """The name of a scalar that has a definition of its own, None for others."""
    name = go.lstrip("*")
    if name in _SPECIAL_NAMES:
        return _SPECIAL_NAMES[name]
    bare = _bare(name)
    if shape.kind in ("time", "micro_time", "duration", "raw") and bare in _SPECIAL_NAMES:
        return _SPECIAL_NAMES[bare]
    if shape.kind == "raw" and bare in _ANY_JSON:
        return f"{_EXTENSIONS}.{bare}"
    return None


def _enum(go: str, owner: Any) -> list[str] | None:
    """The values of an enum type that OpenAPI tells, sorted."""
    bare = _bare(go)
    own_module = owner.__module__
    for module in dict.fromkeys((own_module, *(f"pilothouse.api.types.{m}.v1" for m in ("meta", "core")))):
        fact: TypeFact | None = _facts(module).TYPES.get(bare)
        if fact is not None and fact.alias_of:
            if bare in _MORE_ENUMS:
                return _MORE_ENUMS[bare]
            if fact.published_enum:
                return sorted(fact.enum)
            nested = fact.alias_of.rpartition(".")[2]
            return _enum(nested, owner) if nested != bare and fact.alias_of != "string" else None
    return None


def _element_go(go: str) -> str:
    """The Go type of a list's items or a map's values."""
    go = go.lstrip("*")
    return go[2:] if go.startswith("[]") else go.partition("]")[2]


class SchemaWriter:
    """Writes schemas with references below `prefix` and descriptions as `told`; remembers which types they refer to."""

    def __init__(self, prefix: str, told: Mapping[str, Described]) -> None:
        self._prefix = prefix
        self._told = told
        self.referred: dict[str, Any] = {}

    def _refer(self, name: str, kind: Any) -> dict[str, Any]:
        self.referred.setdefault(name, kind)
        return {"$ref": self._prefix + name}

    def value(self, shape: Shape, go: str, owner: Any) -> dict[str, Any]:
        """The schema of a value, without what its field adds."""
        if name := _special(None, shape, go):
            return self._refer(name, None)
        if shape.struct is not None and shape.kind == "struct":
            return self._refer(definition_name(shape.struct), shape.struct)
        if shape.kind == "list" and shape.element is not None:
            return {"type": "array", "items": self.value(shape.element, _element_of_alias(shape, go, owner), owner)}
        if shape.kind == "map" and shape.element is not None:
            value = self.value(shape.element, _element_of_alias(shape, go, owner), owner)
            return {"type": "object", "additionalProperties": value}
        if shape.kind == "int":
            return {"type": "integer", "format": _INTEGER_FORMATS.get(_integer(shape, go), "int64")}
        simple = {"bool": {"type": "boolean"}, "float": {"type": "number", "format": "double"}}
        if shape.kind in simple:
            return dict(simple[shape.kind])
        if shape.kind == "bytes":
            return {"type": "string", "format": "byte"}
        values = _enum(go, owner)
        return {"type": "string", "enum": values} if values else {"type": "string"}

    def property(self, field: FieldShape, description: str) -> dict[str, Any]:
        """The schema of a field."""
        fact, shape = field.fact, field.shape
        schema = self.value(shape, fact.go_type, field.owner)
        default = _default(field)
        documented = _UNDOCUMENTED.get(field.owner.__name__)
        if "$ref" in schema and (documented is None or field.name in documented or default is not None):
            schema = {"allOf": [schema]}
        if description:
            schema["description"] = description
        if default is not None:
            schema["default"] = default
        if fact.list_type:
            schema["x-kubernetes-list-type"] = fact.list_type
        if fact.list_map_keys:
            schema["x-kubernetes-list-map-keys"] = list(fact.list_map_keys)
        if fact.map_type:
            schema["x-kubernetes-map-type"] = fact.map_type
        if fact.patch_strategy:
            schema["x-kubernetes-patch-strategy"] = fact.patch_strategy
        if fact.patch_merge_key:
            schema["x-kubernetes-patch-merge-key"] = fact.patch_merge_key
        return schema

    def special(self, name: str) -> dict[str, Any]:
        """The schema of a definition that no generated type stands behind."""
        if name != WATCH_EVENT:
            return self._described(name, SPECIAL[name])
        extension = self._refer(_SPECIAL_NAMES["runtime.RawExtension"], None)
        properties: dict[str, Any] = {"type": {"type": "string", "default": ""}, "object": {"allOf": [extension]}}
        for field, said in self._told.get(name, _UNTOLD).properties.items():
            properties[field] |= {"description": said.description} if said.description else {}
        return self._described(name, {"type": "object", "properties": properties, "required": ["type", "object"]})

    def _described(self, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        told = self._told.get(name)
        return {"description": told.description, **schema} if told is not None and told.description else dict(schema)

    def definition(self, name: str, kind: Any) -> dict[str, Any]:
        """The schema of a generated type."""
        properties, required = {}, []
        told = self._told.get(name, _UNTOLD).properties
        for name_of_field, field in fields_of_struct(kind).items():
            properties[name_of_field] = self.property(field, told.get(name_of_field, _UNTOLD).description)
            if _required(field):
                required.append(name_of_field)
        schema = self._described(name, {"type": "object"})
        if properties:
            schema["properties"] = properties
        if required:
            schema["required"] = required
        if _fact_of(kind).atomic:
            schema["x-kubernetes-map-type"] = "atomic"
        if union := _UNIONS.get(name):
            schema["x-kubernetes-unions"] = [union]
        return schema


def _integer(shape: Shape, go: str) -> str:
    return {8: "uint8", 32: "int32", 64: "int64"}[shape.bits] if shape.go in _INTEGER_FORMATS else _bare(go)


def _element_of_alias(shape: Shape, go: str, owner: Any) -> str:
    """The Go type of the elements, seen through an alias such as ResourceList or ExtraValue."""
    go = go.lstrip("*")
    if go.startswith(("[]", "map[")):
        return _element_go(go)
    for module in (owner.__module__, *(f"pilothouse.api.types.{m}.v1" for m in ("core", "meta", "apiextensions"))):
        fact: TypeFact | None = _facts(module).TYPES.get(_bare(go))
        if fact is not None and fact.alias_of:
            return _element_go(fact.alias_of)
    return shape.element.go if shape.element is not None else go


def _required(field: FieldShape) -> bool:
    """A field is required if Go always writes it, or its marker says so; a marker can make it optional."""
    fact = field.fact
    if fact.required:
        return True
    return not fact.omit_empty and not fact.omit_zero and not fact.optional


def _default(field: FieldShape) -> Any:
    """The marker's default, else Go's zero value where the field is always there."""
    fact, shape = field.fact, field.shape
    if fact.default:
        return _literal(fact.default)
    if fact.go_type.startswith("*"):
        return None
    if shape.kind == "struct":
        return {}
    if fact.omit_empty or shape.kind in ("list", "map", "bytes", "raw", "time", "micro_time", "quantity"):
        return None
    return {"string": "", "bool": False, "int": 0, "float": 0}.get(shape.kind)


def _literal(text: str) -> Any:
    """A marker's default: JSON-like text, or a reference to a constant of the API's package."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text.strip('"')


def closure(
    roots: dict[str, Any], kinds: dict[str, list[dict[str, str]]], told: Mapping[str, Described]
) -> dict[str, dict[str, Any]]:
    """The definitions of `roots` (name to type; None for those in SPECIAL) and of all that they refer to."""
    writer = SchemaWriter(REFERENCE, told)
    found: dict[str, dict[str, Any]] = {}
    waiting = dict(roots)
    while waiting:
        for name, kind in waiting.items():
            found[name] = writer.special(name) if kind is None else writer.definition(name, kind)
            if kinds.get(name):
                found[name]["x-kubernetes-group-version-kind"] = kinds[name]
        waiting = {name: kind for name, kind in writer.referred.items() if name not in found}
    return dict(sorted(found.items()))
