"""Validation of ObjectMeta, as every kind has it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required, too_long
from pilothouse.api.types.meta.v1 import ManagedFieldsEntry, ObjectMeta, OwnerReference
from pilothouse.semantics.validation import names
from pilothouse.semantics.validation.names import NameRule

ANNOTATIONS_LIMIT = 256 * 1024
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
IMMUTABLE = "field is immutable"


def validate(
    meta: ObjectMeta, namespaced: bool, name: NameRule, path: str = "metadata", *, core: bool = True
) -> FieldErrors:
    """Errors of a whole ObjectMeta, the kind's form of names included. `core`: a finalizer without a domain must be one
    of the API's own."""
    found: FieldErrors = []
    if meta.generate_name:
        found += [invalid(f"{path}.generateName", meta.generate_name, m) for m in name(meta.generate_name, True)]
    if not meta.name:
        found.append(required(f"{path}.name", "name or generateName is required"))
    else:
        found += [invalid(f"{path}.name", meta.name, m) for m in name(meta.name, False)]
    found += _namespace(meta.namespace, namespaced, f"{path}.namespace")
    if meta.generation < 0:
        found.append(invalid(f"{path}.generation", meta.generation, "must be greater than or equal to 0"))
    found += label_map(meta.labels, f"{path}.labels")
    found += annotation_map(meta.annotations, f"{path}.annotations")
    if meta.owner_references:
        found += owner_references(meta.owner_references, f"{path}.ownerReferences")
    if meta.finalizers:
        found += finalizers(meta.finalizers, f"{path}.finalizers", core)
    return found + managed_fields(meta.managed_fields, f"{path}.managedFields")


def _namespace(namespace: str, namespaced: bool, path: str) -> FieldErrors:
    if not namespaced:
        return [forbidden(path, "not allowed on this type")] if namespace else []
    if not namespace:
        return [required(path)]
    return [invalid(path, namespace, m) for m in names.dns_label(namespace, False)]


def validate_update(new: ObjectMeta, old: ObjectMeta, path: str = "metadata") -> FieldErrors:
    """Errors of a change of metadata."""
    found: FieldErrors = []
    if old.deletion_timestamp is not None:
        added = sorted(set(new.finalizers) - set(old.finalizers))
        if added:
            shown = ", ".join(go_text.quote(a) for a in added)
            detail = "no new finalizers can be added if the object is being deleted, found new finalizers "
            found.append(forbidden(f"{path}.finalizers", detail + "[]string{" + shown + "}"))
    if not new.resource_version:
        found.append(invalid(f"{path}.resourceVersion", new.resource_version, "must be specified for an update"))
    if new.generation < old.generation:
        found.append(invalid(f"{path}.generation", new.generation, "must not be decremented"))
    found += [
        invalid(f"{path}.{field}", value, IMMUTABLE)
        for field, value, before in (
            ("name", new.name, old.name),
            ("namespace", new.namespace, old.namespace),
            ("uid", new.uid, old.uid),
            ("creationTimestamp", new.creation_timestamp, old.creation_timestamp),
            ("deletionTimestamp", new.deletion_timestamp, old.deletion_timestamp),
            ("deletionGracePeriodSeconds", new.deletion_grace_period_seconds, old.deletion_grace_period_seconds),
        )
        if value != before
    ]
    found += label_map(new.labels, f"{path}.labels")
    found += annotation_map(new.annotations, f"{path}.annotations")
    if new.owner_references:
        found += owner_references(new.owner_references, f"{path}.ownerReferences")
    return found + managed_fields(new.managed_fields, f"{path}.managedFields")


_OF_OBJECTS = {
    "name": "name",
    "generateName": "generate_name",
    "namespace": "namespace",
    "selfLink": "self_link",
    "uID": "uid",
    "resourceVersion": "resource_version",
    "generation": "generation",
    "creationTimestamp": "creation_timestamp",
    "deletionTimestamp": "deletion_timestamp",
    "deletionGracePeriodSeconds": "deletion_grace_period_seconds",
    "ownerReferences": "owner_references",
    "finalizers": "finalizers",
    "managedFields": "managed_fields",
}


def template(meta: ObjectMeta, path: str = "metadata") -> FieldErrors:
    """Errors of the metadata in a template of claims, which may have annotations and labels only."""
    found = annotation_map(meta.annotations, f"{path}.annotations") + label_map(meta.labels, f"{path}.labels")
    unwanted = (name for name, attribute in _OF_OBJECTS.items() if go_text.given(getattr(meta, attribute)))
    return found + [forbidden(f"{path}.{name}", "cannot be set") for name in unwanted]


def label_map(found: Mapping[str, str], path: str) -> FieldErrors:
    """Errors of a map of labels; all are reported at the map."""
    errors: FieldErrors = []
    for key, value in found.items():
        for message in names.qualified_name(key):
            errors.append(invalid(path, key, message))
        for message in names.label_value(value):
            errors.append(invalid(path, value, message))
    return errors


def annotation_map(found: Mapping[str, str], path: str) -> FieldErrors:
    errors: FieldErrors = []
    size = 0
    for key, value in found.items():
        for message in names.qualified_name(key.lower()):
            errors.append(invalid(path, key, message))
        size += len(key.encode()) + len(value.encode())
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(path, ANNOTATIONS_LIMIT))
    return errors


def owner_references(found: Sequence[OwnerReference], path: str) -> FieldErrors:
    errors: FieldErrors = []
    controller: OwnerReference | None = None
    for reference in found:
        errors += _owner_reference(reference, path)
        if not reference.controller:
            continue
        if controller is not None:
            told = f"{controller.kind}/{controller.name} and {reference.kind}/{reference.name}"
            detail = f'Only one reference can have Controller set to true. Found "true" in references for {told}'
            errors.append(invalid(path, found, detail))
        controller = controller or reference
    return errors


def _owner_reference(reference: OwnerReference, path: str) -> FieldErrors:
    errors: FieldErrors = []
    parts = reference.api_version.split("/")
    version = parts[-1] if len(parts) <= 2 else ""
    if not version:
        errors.append(invalid(f"{path}.apiVersion", "" if len(parts) <= 2 else reference.api_version, _NO_VERSION))
    if not reference.kind:
        errors.append(invalid(f"{path}.kind", reference.kind, "must not be empty"))
    if not reference.name:
        errors.append(invalid(f"{path}.name", reference.name, "must not be empty"))
    if not reference.uid:
        errors.append(invalid(f"{path}.uid", reference.uid, "must not be empty"))
    if reference.api_version == "v1" and reference.kind == "Event":
        errors.append(invalid(path, reference, "/v1, Kind=Event is disallowed from being an owner"))
    return errors


_NO_VERSION = "version must not be empty"


def finalizers(found: Sequence[str], path: str, core: bool = True) -> FieldErrors:
    errors: FieldErrors = []
    for finalizer in found:
        errors += [invalid(path, finalizer, m) for m in names.qualified_name(finalizer)]
    for index, finalizer in enumerate(found if core else ()):
        errors += core_finalizer(finalizer, f"{path}[{index}]")
    if "orphan" in found and "foregroundDeletion" in found:
        errors.append(invalid(path, found, "finalizer orphan and foregroundDeletion cannot be both set"))
    return errors


def core_finalizer(finalizer: str, path: str) -> FieldErrors:
    """A finalizer without a prefix must be one of the API's own."""
    if "/" in finalizer or finalizer in STANDARD_FINALIZERS:
        return []
    return [invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")]


def managed_fields(found: Sequence[ManagedFieldsEntry], path: str) -> FieldErrors:
    errors: FieldErrors = []
    for index, entry in enumerate(found):
        if entry.operation not in ("Apply", "Update"):
            errors.append(invalid(f"{path}[{index}].operation", entry.operation, "must be `Apply` or `Update`"))
        if names.longer(entry.manager, 128):
            errors.append(too_long(f"{path}[{index}].manager", 128))
        if entry.fields_type not in ("", "FieldsV1"):
            errors.append(invalid(f"{path}[{index}].fieldsType", entry.fields_type, "must be `FieldsV1`"))
    return errors
