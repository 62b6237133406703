"""allOf, anyOf, oneOf and not: which alternatives hold, and which failure is told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.kinds.schema import faults
from pilothouse.kinds.schema.faults import PATH, Fault, Faults

Raw = Mapping[str, Any]
Check = Callable[[Any], Faults]
Compile = Callable[[Raw], Check | None]


def junctors(raw: Raw, compiled: Compile) -> Check | None:
    """The check of a schema's junctors; None without any."""
    parts = [
        part for part in (_any(raw, compiled), _one(raw, compiled), _all(raw, compiled), _not(raw, compiled)) if part
    ]
    if not parts:
        return None
    return lambda value: [fault for part in parts for fault in part(value)]


def _pass(value: Any) -> Faults:
    return ()


def _alternatives(raw: Raw, key: str, compiled: Compile) -> Sequence[tuple[Raw, Check]]:
    return [(inner, compiled(inner) or _pass) for inner in raw.get(key, ())]


def _best(failures: Sequence[tuple[Raw, Faults]], value: Any) -> Faults:
    """The failure of the alternative that got furthest."""
    best: Faults = ()
    reached = -1
    for raw, found in failures:
        count = progress(raw, value)
        if count > reached:
            best, reached = found, count
    return best


def _any(raw: Raw, compiled: Compile) -> Check | None:
    alternatives = _alternatives(raw, "anyOf", compiled)
    if not alternatives:
        return None

    def check(value: Any) -> Faults:
        failures = []
        for inner, alternative in alternatives:
            found = alternative(value)
            if not found:
                return ()
            failures.append((inner, found))
        told = faults.unplaced(f'"{PATH}" must validate at least one schema (anyOf)')
        return [told, *_best(failures, value)]

    return check


def _one(raw: Raw, compiled: Compile) -> Check | None:
    alternatives = _alternatives(raw, "oneOf", compiled)
    if not alternatives:
        return None

    def check(value: Any) -> Faults:
        failures = []
        valid = 0
        for inner, alternative in alternatives:
            found = alternative(value)
            if not found:
                valid += 1
            else:
                failures.append((inner, found))
        if valid == 1:
            return ()
        more = f"Found {valid} valid alternatives" if valid else "Found none valid"
        told = faults.unplaced(f'"{PATH}" must validate one and only one schema (oneOf). {more}')
        return [told, *(() if valid else _best(failures, value))]

    return check


def _all(raw: Raw, compiled: Compile) -> Check | None:
    alternatives = _alternatives(raw, "allOf", compiled)
    if not alternatives:
        return None

    def check(value: Any) -> Faults:
        found: list[Fault] = []
        failed = 0
        for _, alternative in alternatives:
            wrong = alternative(value)
            failed += bool(wrong)
            found += wrong
        if failed:
            more = ". None validated" if failed == len(alternatives) else ""
            found.append(faults.unplaced(f'"{PATH}" must validate all the schemas (allOf){more}'))
        return found

    return check


def _not(raw: Raw, compiled: Compile) -> Check | None:
    inner = raw.get("not")
    if inner is None:
        return None
    check = compiled(inner) or _pass
    told = (faults.unplaced(f'"{PATH}" must not validate the schema (not)'),)
    return lambda value: () if check(value) else told


def progress(raw: Raw, value: Any) -> int:
    """How many checks a value meets in a schema: what upstream chooses the failure to tell by."""
    count = 1
    if isinstance(value, Mapping):
        properties = raw.get("properties", {})
        count += sum(progress(inner, value[name]) for name, inner in properties.items() if name in value)
        others = raw.get("additionalProperties")
        if isinstance(others, Mapping):
            count += sum(progress(others, member) for name, member in value.items() if name not in properties)
    elif isinstance(value, list) and isinstance(raw.get("items"), Mapping):
        count += sum(progress(raw["items"], item) for item in value)
    for key in ("anyOf", "oneOf", "allOf"):
        count += sum(progress(inner, value) for inner in raw.get(key, ()))
    return count
