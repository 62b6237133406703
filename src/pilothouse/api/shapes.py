"""The shape of every generated type, which codecs and patches walk: made once from its facts and annotations."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Struct

from pilothouse.api.facts import FieldFact, TypeFact

Kind = Literal[
    "string", "bool", "int", "float", "bytes", "time", "micro_time", "duration", "quantity", "int_or_string",
    "raw", "list", "map", "struct",
]  # fmt: skip

_INTEGERS = {"int32", "int64", "uint8", "int", "byte"}
_SCALARS: dict[str, Kind] = {
    "string": "string",
    "bool": "bool",
    "float64": "float",
    "types.UID": "string",
    "types.NodeName": "string",
    "Time": "time",
    "MicroTime": "micro_time",
    "Duration": "duration",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "int_or_string",
    "runtime.RawExtension": "raw",
    "FieldsV1": "raw",
    "JSON": "raw",
    "JSONSchemaPropsOrArray": "raw",
    "JSONSchemaPropsOrBool": "raw",
    "JSONSchemaPropsOrStringArray": "raw",
}
_BUILTIN = {"string", "bool", "int32", "int64", "uint8", "int", "float64"}
_PREFIXES = {"metav1", "corev1", "apiv1", "authenticationv1", "authorizationv1", "batchv1", "v1"}


@dataclass(slots=True, eq=False)
class Shape:
    """One type. `go` is its name as Go prints it (`[]v1.Container`), without a pointer's star; `struct` the class of a
    struct; `element` the shape of a list's items or a map's values; `nullable` whether it is a pointer in Go."""

    kind: Kind
    go: str
    nullable: bool = False
    struct: type[Any] | None = None
    element: Shape | None = None

    @property
    def fields(self) -> dict[str, FieldShape]:
        """JSON name to field of a struct; empty for other kinds."""
        return fields_of_struct(self.struct) if self.struct is not None else {}

    @property
    def bits(self) -> int:
        return 8 if self.go in ("uint8", "byte") else 32 if self.go == "int32" else 64


@dataclass(slots=True, eq=False)
class FieldShape:
    """A field of a struct: its facts, its shape, the base class it is inlined from (else the class itself), and the
    names of the structs that are embedded on the way there, outermost first."""

    name: str
    fact: FieldFact
    shape: Shape
    owner: type[Any]
    embedded: tuple[str, ...] = ()


def _shape_of(kind: Any) -> Shape:
    """The shape of a generated Struct."""
    return Shape("struct", f"{_package(kind.__module__)}.{kind.__name__}", struct=kind)


def _fields_of_struct(kind: Any) -> dict[str, FieldShape]:
    """JSON name to field, those of inlined types included, `kind` and `apiVersion` first."""
    found: dict[str, FieldShape] = {}
    hints = hints_of(kind)
    names = set(kind.__struct_fields__)
    if "api_version" in names and "kind" in names and _has_type_meta(kind):
        for name, attribute in (("kind", "kind"), ("apiVersion", "api_version")):
            fact = FieldFact(name, attribute, "string", 0, omit_empty=True)
            found[name] = FieldShape(name, fact, Shape("string", "string"), kind)
    generated = [base for base in kind.__mro__ if base.__module__.startswith("pilothouse.api.types.")]
    for depth, base in reversed(list(enumerate(generated))):
        embedded = tuple(outer.__name__ for outer in generated[1 : depth + 1])
        for fact in _facts(base.__module__)[base.__name__].fields:
            if fact.json_name and not fact.inline:
                shape = _resolve(fact.go_type, hints[fact.attribute], base.__module__)
                found[fact.json_name] = FieldShape(fact.json_name, fact, shape, base, embedded)
    return found


def _members_of(kind: Any) -> Mapping[str, str]:
    """JSON name to attribute of the members of an object, without kind and apiVersion."""
    fields = msgspec.structs.fields(kind)
    return {f.encode_name: f.name for f in fields if f.name not in ("kind", "api_version")}


# Told as plain functions: mypy holds that a type[T] cannot be hashed.
members_of: Callable[[Any], Mapping[str, str]] = functools.cache(_members_of)
shape_of: Callable[[Any], Shape] = functools.cache(_shape_of)
fields_of_struct: Callable[[Any], dict[str, FieldShape]] = functools.cache(_fields_of_struct)


def _has_type_meta(kind: type[Any]) -> bool:
    return any(f.inline and f.go_type.endswith("TypeMeta") for f in _facts(kind.__module__)[kind.__name__].fields)


def _package(module: str) -> str:
    return module.rpartition(".")[2].removesuffix("_facts")


@functools.cache
def _facts(module: str) -> dict[str, TypeFact]:
    found: dict[str, TypeFact] = importlib.import_module(module + "_facts").TYPES
    return found


def _hints_of(kind: Any) -> Mapping[str, Any]:
    """Attribute to its type, as `typing.get_type_hints` with extras has it, which reads each text anew: a tenth of a
    second for the types within a pod's, when the first one is met."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for attribute, text in inspect.get_annotations(base).items():
            found[attribute] = _meant(base.__module__, text)
    return found


hints_of: Callable[[Any], Mapping[str, Any]] = functools.cache(_hints_of)


@functools.cache
def _meant(module: str, text: str) -> Any:
    """What an annotation of generated code means; most have the text of another."""
    return eval(text, vars(sys.modules[module]))  # the texts are our own


def _struct_in(annotation: Any) -> type[Any] | None:
    """The Struct at the end of `X | None`, `tuple[X, ...]` or `Mapping[str, X]`."""
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation if issubclass(annotation, Struct) else None
    return next((s for a in typing.get_args(annotation) if (s := _struct_in(a)) is not None), None)


def _resolve(go: str, annotation: Any, home: str) -> Shape:
    if go.startswith("*"):
        inner = _resolve(go[1:], annotation, home)
        return Shape(inner.kind, inner.go, True, inner.struct, inner.element)
    if go == "[]byte":
        return Shape("bytes", "[]uint8")
    if go.startswith("[]"):
        element = _resolve(go[2:], annotation, home)
        return Shape("list", f"[]{_starred(element)}", element=element)
    if go.startswith("map["):
        key, _, value = go[4:].partition("]")
        element = _resolve(value, annotation, home)
        return Shape("map", f"map[{_display(key, home)}]{_starred(element)}", element=element)
    bare = go.rpartition(".")[2]
    display = _display(go, home)
    scalar = _SCALARS.get(go) or (_SCALARS.get(bare) if go.partition(".")[0] in _PREFIXES else None)
    if scalar is not None:
        return Shape(scalar, display)
    if go in _INTEGERS:
        return Shape("int", "uint8" if go == "byte" else go)
    alias = _alias(go, home)
    if alias is not None:
        inner = _resolve(alias[0], annotation, alias[1])
        return Shape(inner.kind, display, False, inner.struct, inner.element)
    struct = _struct_in(annotation)
    if struct is None:
        raise TypeError(f"{go} in {home}: no type behind {annotation}")
    return Shape("struct", display, struct=struct)


def _starred(element: Shape) -> str:
    return f"*{element.go}" if element.nullable else element.go


def _display(go: str, home: str) -> str:
    if go in _BUILTIN or go == "byte":
        return "uint8" if go == "byte" else go
    prefix, dot, bare = go.rpartition(".")
    if dot:
        return f"v1.{bare}" if prefix in _PREFIXES else go
    return f"{_package(home)}.{go}"


def _alias(go: str, home: str) -> tuple[str, str] | None:
    """(definition, module it is written in) of an alias."""
    prefix, dot, bare = go.rpartition(".")
    modules = [home] if not dot else [f"pilothouse.api.types.{g}.v1" for g in _alias_homes(prefix)]
    for module in modules:
        fact = _facts(module).get(bare)
        if fact is not None:
            return (fact.alias_of, module) if fact.alias_of else None
    return ("string", home) if dot and prefix == "types" else None


def _alias_homes(prefix: str) -> tuple[str, ...]:
    named = {"metav1": "meta", "corev1": "core", "apiv1": "core", "authenticationv1": "authentication"}
    return (named[prefix],) if prefix in named else ("meta", "core", "authentication", "authorization")


def generated_structs() -> list[type[Any]]:
    """Every generated Struct of every version, for tests that go over all of them."""
    import pkgutil

    import pilothouse.api.types as root

    found: dict[type[Any], None] = {}
    for module in pkgutil.walk_packages(root.__path__, root.__name__ + "."):
        name = module.name.rpartition(".")[2]
        if not name.startswith("v") or name.endswith("_facts"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.name:
                found[value] = None
    return list(found)
