"""The spec of a PersistentVolumeClaim, in a claim or in a template. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks, resources
from pilothouse.semantics.validation import selectors
from pilothouse.semantics.validation.names import dns_label
from pilothouse.semantics.volumes import CLASS_ANNOTATION

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")

CLASS_WARNING = (
    f'metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use "storageClassName" attribute instead'
)
_APART = "may not use ReadWriteOncePod with other access modes"
_OWN_GROUP = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
_A_PATH = go_text.EMPTY_MAP
"""Where a path is shown as a bad value: it has no fields that could be seen."""


def access_modes(path: str, modes: tuple[str, ...]) -> FieldErrors:
    found: FieldErrors = []
    for mode in modes:
        found += checks.one_of(path, mode, ACCESS_MODES)
    others = any(mode in ACCESS_MODES and mode != "ReadWriteOncePod" for mode in modes)
    return [*found, forbidden(path, _APART)] if "ReadWriteOncePod" in modes and others else found


def validate(path: str, spec: core.PersistentVolumeClaimSpec, *, any_group: bool = False) -> FieldErrors:
    """`any_group`: the group of a data source is not looked at (the claim had one before)."""
    found: FieldErrors = []
    if not spec.access_modes:
        found.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    if spec.selector is not None:
        found += selectors.label_selector(f"{path}.selector", spec.selector)
    found += access_modes(f"{path}.accessModes", spec.access_modes)
    at, storage = f"{path}.resources[storage]", spec.resources.requests.get("storage")
    if storage is None:
        found.append(required(at))
    elif storage.value <= 0:
        found.append(invalid(at, storage.text, "must be greater than zero"))
    else:
        found += resources.amount(at, "storage", storage)
    if spec.storage_class_name:
        found += checks.subdomain(f"{path}.storageClassName", spec.storage_class_name)
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        found.append(not_supported(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES))
    found += _sources(path, spec, any_group)
    if spec.volume_attributes_class_name:
        found += checks.subdomain(f"{path}.volumeAttributesClassName", spec.volume_attributes_class_name)
    return found


def _sources(path: str, spec: core.PersistentVolumeClaimSpec, any_group: bool) -> FieldErrors:
    source, reference = spec.data_source, spec.data_source_ref
    found: FieldErrors = []
    if source is not None:
        found += _source(f"{path}.dataSource", source, any_group)
    if reference is None:
        return found
    found += _source(f"{path}.dataSourceRef", reference, any_group)
    if reference.namespace:
        found += [
            invalid(f"{path}.dataSourceRef.namespace", reference.namespace, fault)
            for fault in dns_label(reference.namespace, False)
        ]
        if source is not None:
            found.append(invalid(path, _A_PATH, "may not be specified when dataSourceRef.namespace is specified"))
    elif source is not None and _target(source) != _target(reference):
        found.append(invalid(path, _A_PATH, "must match dataSourceRef"))
    return found


def _target(of: core.TypedLocalObjectReference | core.TypedObjectReference) -> tuple[str | None, str, str]:
    return of.api_group, of.kind, of.name


def _source(
    path: str, source: core.TypedLocalObjectReference | core.TypedObjectReference, any_group: bool
) -> FieldErrors:
    found = [required(f"{path}.{name}") for name in ("name", "kind") if not getattr(source, name)]
    if not source.api_group and source.kind != "PersistentVolumeClaim":
        found.append(invalid(path, source.kind, _OWN_GROUP))
    if source.api_group and not any_group:
        found += checks.subdomain(f"{path}.apiGroup", source.api_group)
    return found


def has_group(spec: core.PersistentVolumeClaimSpec) -> bool:
    """Whether a data source names a group."""
    return any(s is not None and s.api_group is not None for s in (spec.data_source, spec.data_source_ref))


def with_sources(
    spec: core.PersistentVolumeClaimSpec, old: core.PersistentVolumeClaimSpec | None
) -> core.PersistentVolumeClaimSpec:
    """`spec` with `dataSource` and `dataSourceRef` saying the same. What old clients could never have meant is dropped
    rather than refused: a source in another namespace, and a `dataSource` that is neither claim nor snapshot."""
    reference = spec.data_source_ref
    if reference is not None and reference.namespace and (old is None or old.data_source_ref is None):
        spec = replace(spec, data_source_ref=None)
    old_source = old is not None and old.data_source is not None
    if not old_source and spec.data_source_ref is None and not _known(spec.data_source):
        spec = spec if spec.data_source is None else replace(spec, data_source=None)
    source, reference = spec.data_source, spec.data_source_ref
    if source is not None and reference is None:
        made = core.TypedObjectReference(api_group=source.api_group, kind=source.kind, name=source.name)
        return replace(spec, data_source_ref=made)
    if reference is not None and source is None and not reference.namespace:
        local = core.TypedLocalObjectReference(api_group=reference.api_group, kind=reference.kind, name=reference.name)
        return replace(spec, data_source=local)
    return spec


def _known(source: core.TypedLocalObjectReference | None) -> bool:
    if source is None:
        return False
    return (source.api_group or "", source.kind) in (
        ("", "PersistentVolumeClaim"),
        ("snapshot.storage.k8s.io", "VolumeSnapshot"),
    )


def warnings(path: str, spec: core.PersistentVolumeClaimSpec) -> Iterator[str]:
    """Sizes that are no whole number of bytes."""
    for name, amounts in (("requests", spec.resources.requests), ("limits", spec.resources.limits)):
        storage = amounts.get("storage")
        if storage is not None and storage.milli() % 1000:
            shown = go_text.quote(str(storage))
            yield f"{path}.resources.{name}[storage]: fractional byte value {shown} is invalid, must be an integer"
