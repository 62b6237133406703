"""Whether a configuration is of its type, with the errors of upstream's typed values. Pure."""

from __future__ import annotations

import json
from typing import Any

from pilothouse.apiserver.apply.fieldset import element_text
from pilothouse.apiserver.apply.schema import ElementError, TypeNode
from pilothouse.apiserver.patch.values import go_text, go_type


class ConfigurationError(ValueError):
    """A configuration that is not of its type."""


def check(node: TypeNode, value: Any) -> None:
    """Raises ConfigurationError with every fault."""
    if fits(node, value, repeats=False):
        return
    faults: list[str] = []
    _check(node, value, "", faults)
    if len(faults) == 1:
        raise ConfigurationError(faults[0])
    if faults:
        raise ConfigurationError("\n".join(["errors:", *(f"  {fault}" for fault in faults)]))


def fits(node: TypeNode, value: Any, repeats: bool = True) -> bool:
    """Whether there surely is no fault: the quick answer for most configurations. `repeats`: items of associative
    lists may come twice."""
    if value is None or node.kind in ("any", "deduced"):
        return True
    if node.kind == "scalar":
        return type(value) in node.python
    if node.kind == "map":
        return isinstance(value, dict) and _members_fit(node, value, repeats)
    if not isinstance(value, list) or node.element is None:
        return False
    if not node.atomic:
        try:
            if len({node.item(item) for item in value}) != len(value) and not repeats:
                return False
        except ElementError:
            return False
    return all(fits(node.element, item, repeats) for item in value)


def _members_fit(node: TypeNode, value: dict[str, Any], repeats: bool) -> bool:
    for key, member in value.items():
        child = node.child(key)
        if child is None or (type(member) not in child.python and not fits(child, member, repeats)):
            return False
    return True


def _check(node: TypeNode, value: Any, path: str, faults: list[str]) -> None:
    if value is None or node.kind in ("any", "deduced"):
        return
    if node.kind == "scalar":
        if (fault := _scalar_fault(node, value)) is not None:
            faults.append(f"{path}: {fault}")
    elif node.kind == "map":
        if not isinstance(value, dict):
            faults.append(f"{path}: expected map, got &{{{go_text(value)}}}")
            return
        for key, member in value.items():
            child = node.child(key)
            if child is None:
                faults.append(f"{path}.{key}: field not declared in schema")
            elif type(member) not in child.python:
                _check(child, member, f"{path}.{key}", faults)
    elif not isinstance(value, list):
        faults.append(f"{path}: expected list, got &{{{go_text(value)}}}")
    else:
        _check_items(node, value, path, faults)


def _check_items(node: TypeNode, items: list[Any], path: str, faults: list[str]) -> None:
    assert node.element is not None
    seen: set[str] = set()
    for at, item in enumerate(items):
        if node.atomic:
            _check(node.element, item, f"{path}[{at}]", faults)
            continue
        try:
            element = node.item(item)
        except ElementError as error:
            faults.append(f"{path}: element {at}: {error}")
            return
        if element in seen:
            faults.append(f"{path}: duplicate entries for key {element_text(element)}")
        seen.add(element)
        _check(node.element, item, path + element_text(element), faults)


def _scalar_fault(node: TypeNode, value: Any) -> str | None:
    container = isinstance(value, dict | list)
    if node.scalar == "numeric" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return f"expected numeric (int or float), got {go_type(value)}"
    if node.scalar == "string" and not isinstance(value, str):
        return f"expected string, got &value.valueUnstructured{{Value:{_go_syntax(value)}}}"
    if node.scalar == "boolean" and not isinstance(value, bool):
        return f"expected boolean, got &{{{go_text(value)}}}"
    return f"expected any scalar, got &{{{go_text(value)}}}" if node.scalar == "untyped" and container else None


def _go_syntax(value: Any) -> str:
    """The value as `%#v` prints it."""
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)}:{_go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "interface {}(nil)" if value is None else go_text(value)
