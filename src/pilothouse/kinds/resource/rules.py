"""Checks that the kinds of dynamic resource allocation share, with the API's texts. Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, duplicate, invalid, not_supported, required, too_long, too_many
from pilothouse.api.types.resource.v1 import DeviceConfiguration, DeviceSelector, DeviceTaint, DeviceToleration
from pilothouse.kinds.core.disks import driver_name
from pilothouse.semantics.validation import selectors
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, label_value, longer

T = TypeVar("T")
REQUESTS, SELECTORS, CONFIGS = 32, 32, 32
_POOL, _ID, _KEY = 253, 32, 63 + 1 + 32
_EXPRESSION = _PARAMETERS = 10 * 1024
_CONDITIONS = 4
EFFECTS = ("NoExecute", "NoSchedule", "None")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z", re.ASCII)
_IDENTIFIER_FAULT = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)
_UID_FORM = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal "
    "characters"
)


def each(items: Sequence[T], limit: int, check: Callable[[str, T], FieldErrors], path: str) -> FieldErrors:
    """Errors of a list of at most `limit` items (negative: any number); of one too long, only that it is."""
    if 0 <= limit < len(items):
        return [too_many(path, len(items), limit)]
    return [error for index, item in enumerate(items) for error in check(f"{path}[{index}]", item)]


def each_once(
    items: Sequence[T],
    limit: int,
    check: Callable[[str, T], FieldErrors],
    path: str,
    *,
    key: Callable[[T], Hashable],
    shown: Callable[[T], Any] | None = None,
) -> FieldErrors:
    """As `each`, for a list whose items differ in `key`; a repeated one is told by `shown`, or by its key."""
    if 0 <= limit < len(items):
        return [too_many(path, len(items), limit)]
    found: FieldErrors = []
    seen: set[Hashable] = set()
    for index, item in enumerate(items):
        own, at = key(item), f"{path}[{index}]"
        if own in seen:
            found.append(duplicate(at, own if shown is None else shown(item)))
        seen.add(own)
        found += check(at, item)
    return found


def each_key(
    items: Mapping[str, T],
    limit: int,
    check_key: Callable[[str, str], FieldErrors],
    check: Callable[[str, T], FieldErrors],
    path: str,
    *,
    widest: int = _KEY,
) -> FieldErrors:
    """Errors of a map: those of keys stand at the map, those of values at `path[key]`, a key wider than `widest`
    shortened."""
    if 0 <= limit < len(items):
        return [too_many(path, len(items), limit)]
    found: FieldErrors = []
    for name, item in items.items():
        found += check_key(path, name)
        found += check(f"{path}[{_shortened(name, widest)}]", item)
    return found


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    left = limit - 3
    return f"{text[: (left + 1) // 2]}...{text[len(text) - left // 2 :]}"


def itself(item: str) -> str:
    return item


def short_name(path: str, name: str) -> FieldErrors:
    """The name of a device, request or counter."""
    return [invalid(path, name, fault) for fault in dns_label(name, False)]


def pool_name(path: str, name: str) -> FieldErrors:
    if not name:
        return [required(path)]
    found = [too_long(path, _POOL)] if longer(name, _POOL) else []
    for part in name.split("/"):
        found += [invalid(path, part, fault) for fault in dns_subdomain(part, False)]
    return found


def uid(path: str, text: str) -> FieldErrors:
    """A share's id: a UUID in its one normal form."""
    plain = text.removeprefix("urn:uuid:")
    if len(text) not in (32, 36, 36 + 2, 36 + 9):
        return [invalid(path, text, f"error validating uid: invalid UUID length: {len(text)}")]
    try:
        uuid.UUID(plain)
    except ValueError:
        return [invalid(path, text, "error validating uid: invalid UUID format")]
    return [] if len(text) == 36 and text == text.lower() else [invalid(path, text, _UID_FORM)]


def _identifier(path: str, text: str) -> FieldErrors:
    found = [too_long(path, _ID)] if longer(text, _ID) else []
    return found if _IDENTIFIER.match(text) else [*found, invalid(path, text, _IDENTIFIER_FAULT)]


def qualified_name(path: str, name: str) -> FieldErrors:
    """The name of an attribute or capacity: `[domain/]identifier`. One with more slashes is not looked at, as upstream
    does not."""
    domain, slash, own = name.partition("/")
    if not slash:
        return _identifier(path, name)
    if "/" in own:
        return []
    found = driver_name(path, domain) if domain else [invalid(path, "", "the domain must not be empty")]
    return found + (_identifier(path, own) if own else [invalid(path, "", "the name must not be empty")])


def full_name(path: str, name: str) -> FieldErrors:
    """A qualified name that has its domain."""
    found = qualified_name(path, name)
    if "/" not in name:
        found.append(invalid(path, name, "a fully qualified name must be a domain and a name separated by a slash"))
    return found


def selector_list(path: str, found: Sequence[DeviceSelector], *, stored: bool = False) -> FieldErrors:
    """CEL selectors of devices. `stored` ones were checked when they were written."""

    def check(at: str, selector: DeviceSelector) -> FieldErrors:
        if selector.cel is None:
            return [required(f"{at}.cel")]
        if not stored and len(selector.cel.expression.encode()) > _EXPRESSION:
            return [too_long(f"{at}.cel.expression", _EXPRESSION)]
        return []

    return each(found, SELECTORS, check, path)


def configuration(path: str, config: DeviceConfiguration, *, stored: bool = False) -> FieldErrors:
    """What a driver is to be told; it must be a JSON object."""
    opaque = config.opaque
    if opaque is None:
        return [required(f"{path}.opaque")]
    return driver_name(f"{path}.opaque.driver", opaque.driver) + json_object(
        f"{path}.opaque.parameters", opaque.parameters, _PARAMETERS, stored=stored
    )


def json_object(path: str, tree: Any, limit: int, *, stored: bool = False) -> FieldErrors:
    if tree is None:
        return [required(path)]
    if not stored and len(go_text.to_json(tree).encode()) > limit:
        return [too_long(path, limit)]
    return [] if isinstance(tree, dict) else [invalid(path, "<value omitted>", "must be a valid JSON object")]


def taint(path: str, found: DeviceTaint) -> FieldErrors:
    errors = selectors.label_name(f"{path}.key", found.key)
    if found.value:
        errors += [invalid(f"{path}.value", found.value, fault) for fault in label_value(found.value)]
    if not found.effect:
        errors.append(required(f"{path}.effect"))
    elif found.effect not in EFFECTS:
        errors.append(not_supported(f"{path}.effect", found.effect, EFFECTS))
    return errors


def tolerations(path: str, found: Sequence[DeviceToleration]) -> FieldErrors:
    return each(found, -1, _toleration, path)


def _toleration(path: str, found: DeviceToleration) -> FieldErrors:
    errors = selectors.label_name(f"{path}.key", found.key) if found.key else []
    if found.operator == "Exists":
        if found.value:
            errors.append(invalid(f"{path}.value", found.value, "must be empty for operator `Exists`"))
    elif found.operator == "Equal":
        errors += [invalid(f"{path}.value", found.value, fault) for fault in label_value(found.value)]
    elif not found.operator:
        errors.append(required(f"{path}.operator"))
    else:
        errors.append(not_supported(f"{path}.operator", found.operator, ("Equal", "Exists")))
    if found.effect and found.effect not in EFFECTS:
        errors.append(not_supported(f"{path}.effect", found.effect, EFFECTS))
    return errors


def binding_conditions(path: str, wanted: Sequence[str], failures: Sequence[str]) -> FieldErrors:
    """Conditions that a device waits for before its pod is bound, and those that end the wait; both or none."""
    at, at_failures = f"{path}.bindingConditions", f"{path}.bindingFailureConditions"
    found = each(wanted, _CONDITIONS, selectors.label_name, at)
    found += each(failures, _CONDITIONS, selectors.label_name, at_failures)
    seen: set[str] = set()
    for index, name in enumerate(wanted):
        if name in seen:
            found.append(duplicate(f"{at}[{index}]", name))
        seen.add(name)
    seen_failures: set[str] = set()
    for index, name in enumerate(failures):
        if name in seen_failures:
            found.append(duplicate(f"{at_failures}[{index}]", name))
        seen_failures.add(name)
        if name in seen:
            detail = "bindingFailureConditions must not overlap with bindingConditions"
            found.append(invalid(f"{at_failures}[{index}]", name, detail))
    if failures and not wanted:
        found.append(invalid(at, None, "bindingConditions are required to use bindingFailureConditions"))
    if wanted and not failures:
        found.append(invalid(at_failures, None, "bindingFailureConditions are required to use bindingConditions"))
    return found
