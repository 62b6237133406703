"""Validation of CustomResourceDefinitions. Pure.

What all versions share is told of as upstream's internal type has it: once, at the top of the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.codec.json import to_builtins
from pilothouse.api.field_errors import FieldErrors, invalid, not_supported, required
from pilothouse.api.types.apiextensions.v1 import (
    CustomResourceDefinition,
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionStatus,
    CustomResourceDefinitionVersion,
    JSONSchemaProps,
)
from pilothouse.kinds.apiextensions.approval import ANNOTATION, approval
from pilothouse.kinds.apiextensions.conversion_rules import (
    bundle_errors,
    bundle_fault_of,
    conversion_errors,
)
from pilothouse.kinds.apiextensions.convertible import inner
from pilothouse.kinds.apiextensions.pattern_budget import pattern_errors
from pilothouse.kinds.apiextensions.version_rules import (
    column_errors,
    deprecation_errors,
    schema_errors_of,
    selectable_errors,
    subresource_errors,
)
from pilothouse.semantics import conditions
from pilothouse.semantics.validation.names import dns1035_label, dns_subdomain

Crd = CustomResourceDefinition
Version = CustomResourceDefinitionVersion
_SCOPES = ("Cluster", "Namespaced")
_IMMUTABLE = "field is immutable"


def validate(crd: Crd) -> FieldErrors:
    """The errors of a new definition; metadata is checked already, but for the name it must have."""
    found = list(_name(crd)) + list(_spec(crd.spec))
    found += status_errors(crd.status)
    found += _stored(crd)
    return found + _approval(crd)


def validate_update(new: Crd, old: Crd) -> FieldErrors:
    # What was stored under other rules must be let go of: a finalizer could not be taken away otherwise.
    found = list(_spec(new.spec)) if new.spec != old.spec else []
    if conditions.is_true(old.status.conditions or (), "Established"):
        if new.spec.conversion != old.spec.conversion and not bundle_fault_of(old.spec.conversion):
            found += bundle_errors(new.spec.conversion, "spec.conversion")
        found += _same(new.spec.scope, old.spec.scope, "spec.scope")
        found += _same(new.spec.names.kind, old.spec.names.kind, "spec.names.kind")
    found += _same(new.spec.group, old.spec.group, "spec.group")
    found += _same(new.spec.names.plural, old.spec.names.plural, "spec.names.plural")
    found += status_errors(new.status)
    found += _stored(new)
    return found + (_approval(new) if approval(new) != approval(old) else [])


def status_errors(status: CustomResourceDefinitionStatus) -> FieldErrors:
    return list(_names(status.accepted_names, "status.acceptedNames"))


def _same(new: str, old: str, path: str) -> FieldErrors:
    return [] if new == old else [invalid(path, new, _IMMUTABLE)]


def _name(crd: Crd) -> Iterator[Any]:
    wanted, told = f"{crd.spec.names.plural}.{crd.spec.group}", 'must be spec.names.plural+"."+spec.group'
    if crd.metadata.generate_name and crd.metadata.generate_name != wanted:
        yield invalid("metadata.generateName", crd.metadata.generate_name, told)
    if crd.metadata.name and crd.metadata.name != wanted:
        yield invalid("metadata.name", crd.metadata.name, told)


def _spec(spec: CustomResourceDefinitionSpec) -> Iterator[Any]:
    if too_much := pattern_errors(_schemas(spec.versions or ())):
        yield from too_much
        return  # what follows would compile all of them
    if not spec.group:
        yield required("spec.group")
    elif faults := dns_subdomain(spec.group):
        yield invalid("spec.group", spec.group, ",".join(faults))
    elif "." not in spec.group:
        yield invalid("spec.group", spec.group, "should be a domain with at least one dot")
    if spec.scope not in _SCOPES:
        yield not_supported("spec.scope", spec.scope, _SCOPES) if spec.scope else required("spec.scope")
    versions = spec.versions or ()
    for at, version in enumerate(versions):
        if version.schema is None or version.schema.open_apiv_3_schema is None:
            yield required(f"spec.versions[{at}].schema.openAPIV3Schema")
    yield from _versions(spec)
    for attribute, name in (
        ("plural", "plural"),
        ("singular", "singular"),
        ("kind", "kind"),
        ("list_kind", "listKind"),
    ):
        if not getattr(spec.names, attribute):
            yield required(f"spec.names.{name}")
    yield from _names(spec.names, "spec.names")
    if spec.preserve_unknown_fields:
        if any(map(_has_defaults, versions)):
            yield invalid("spec.preserveUnknownFields", True, "must be false in order to use defaults in the schema")
        if spec.conversion is not None and spec.conversion.strategy != "None":
            told = "must be None if spec.preserveUnknownFields is true"
            yield invalid("spec.conversion.strategy", spec.conversion.strategy, told)
        told = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        yield invalid("spec.preserveUnknownFields", True, told)
    yield from conversion_errors(spec.conversion, "spec.conversion")


_PARTS: Sequence[tuple[str, Callable[[Version, str, bool], FieldErrors], str]] = (
    ("schema", schema_errors_of, "validation"),
    ("subresources", subresource_errors, "subresources"),
    ("additional_printer_columns", column_errors, "additionalPrinterColumns"),
    ("selectable_fields", selectable_errors, "selectableFields"),
)
_WIRE_NAMES = {"schema": "schema"}


def _versions(spec: CustomResourceDefinitionSpec) -> Iterator[Any]:
    versions = spec.versions or ()
    shared = {part for part, _, _ in _PARTS if versions and _alike(versions, part)}
    for at, version in enumerate(versions):
        path = f"spec.versions[{at}]"
        if faults := dns1035_label(version.name):
            yield invalid(f"{path}.name", version.name, ",".join(faults))
        yield from deprecation_errors(version, path)
        for part, errors, name in _PARTS:
            if part not in shared:
                yield from errors(version, f"{path}.{_WIRE_NAMES.get(part, name)}", _has_status(version))
    names = [version.name for version in versions]
    shown: Any = None if spec.versions is None else [_shown(version, shared) for version in versions]
    if len(set(names)) < len(names):
        yield invalid("spec.versions", shown, "must contain unique version names")
    if sum(version.storage for version in versions) != 1:
        yield invalid("spec.versions", shown, "must have exactly one version marked as storage version")
    if versions and versions[0].name and (faults := dns1035_label(versions[0].name)):
        yield invalid("spec.version", versions[0].name, ",".join(faults))
    for part, errors, name in _PARTS:
        if part in shared and versions:
            yield from errors(versions[0], f"spec.{name}", any(map(_has_status, versions)))


def _schemas(versions: Sequence[Version]) -> Iterator[tuple[str, JSONSchemaProps]]:
    """The schemas of all versions. Upstream's internal type has one that they share in a place of its own."""
    shared = bool(versions) and _alike(versions, "schema")
    for at, version in enumerate(versions):
        schema = version.schema.open_apiv_3_schema if version.schema is not None else None
        if schema is not None:
            yield f"{'spec.validation' if shared else f'spec.versions[{at}].schema'}.openAPIV3Schema", schema


def _alike(versions: Sequence[Version], part: str) -> bool:
    """Whether all versions have the same of something."""
    first = getattr(versions[0], part)
    return all(getattr(version, part) == first for version in versions[1:])


def _has_status(version: Version) -> bool:
    return version.subresources is not None and version.subresources.status is not None


def _has_defaults(version: Version) -> bool:
    schema = version.schema.open_apiv_3_schema if version.schema is not None else None
    return schema is not None and _defaulted(to_builtins(schema))


def _defaulted(raw: Mapping[str, Any]) -> bool:
    return raw.get("default") is not None or any(map(_defaulted, inner(raw)))


def _shown(version: Version, shared: set[str]) -> Version:
    """A version without what stands at the top of the spec."""
    empty = Version()
    return replace(version, **{part: getattr(empty, part) for part in shared})


def _names(names: CustomResourceDefinitionNames, path: str) -> Iterator[Any]:
    for attribute in ("plural", "singular"):
        value = getattr(names, attribute)
        if value and (faults := dns1035_label(value)):
            yield invalid(f"{path}.{attribute}", value, ",".join(faults))
    for attribute, name in (("kind", "kind"), ("list_kind", "listKind")):
        value = getattr(names, attribute)
        if value and (faults := dns1035_label(value.lower())):
            told = "may have mixed case, but should otherwise match: " + ",".join(faults)
            yield invalid(f"{path}.{name}", value, told)
    for at, short in enumerate(names.short_names):
        if faults := dns1035_label(short):
            yield invalid(f"{path}.shortNames[{at}]", short, ",".join(faults))
    if names.kind and names.kind == names.list_kind:
        yield invalid(f"{path}.listKind", names.list_kind, "kind and listKind may not be the same")
    for at, category in enumerate(names.categories):
        if faults := dns1035_label(category):
            yield invalid(f"{path}.categories[{at}]", category, ",".join(faults))


def _stored(crd: Crd) -> FieldErrors:
    path, stored = "status.storedVersions", crd.status.stored_versions
    if not stored:
        return [invalid(path, stored, "must have at least one stored version")]
    known = {version.name for version in crd.spec.versions or ()}
    found: FieldErrors = []
    for at, name in enumerate(stored):
        if name not in known:
            told = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            found.append(invalid(f"{path}[{at}]", name, told))
    missing = set(stored)
    for version in crd.spec.versions or ():
        if version.storage and version.name not in missing:
            found.append(invalid(path, list(stored), f"must have the storage version {version.name}"))
        missing.discard(version.name)  # upstream looks for a second version of the name in vain
    return found


def _approval(crd: Crd) -> FieldErrors:
    found = approval(crd)
    if found is None or not found.refused:
        return []
    path, said = f"metadata.annotations[{ANNOTATION}]", crd.metadata.annotations.get(ANNOTATION, "")
    return [invalid(path, said, found.message) if said else required(path, found.message)]
