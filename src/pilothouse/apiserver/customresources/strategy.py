"""The strategy of one version of a custom resource: what the generic registry has to know of it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.custom import CustomObject
from pilothouse.api.facts import Resource, Subresource
from pilothouse.api.field_errors import FieldErrors, as_status, invalid
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition, CustomResourceSubresourceScale
from pilothouse.apiserver.customresources import nodes, paths
from pilothouse.apiserver.customresources.columns import CustomPrinter
from pilothouse.apiserver.customresources.reading import CustomReading
from pilothouse.apiserver.customresources.version import Version
from pilothouse.apiserver.discovery.documents import priority
from pilothouse.kinds.strategy import Scale, Status, Strategy, Tracked, Write

_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_SUB_VERBS = ("get", "patch", "update")
TERMINATING = "create not allowed while custom resource definition is terminating"
Versions = Mapping[str, Version]


def resource_of(crd: CustomResourceDefinition, version: Version) -> Resource:
    """The resource as discovery tells it."""
    names, declared = crd.status.accepted_names, version.declared
    group = crd.spec.group
    subresources: list[Subresource] = []
    if declared.subresources is not None and declared.subresources.status is not None:
        subresources.append(Subresource("status", names.kind, group, declared.name, _SUB_VERBS))
    if declared.subresources is not None and declared.subresources.scale is not None:
        subresources.append(Subresource("scale", "Scale", "autoscaling", "v1", _SUB_VERBS))
    return Resource(
        group=group,
        version=declared.name,
        resource=names.plural,
        kind=names.kind,
        singular=names.singular,
        namespaced=crd.spec.scope == "Namespaced",
        verbs=_VERBS,
        short_names=names.short_names,
        categories=names.categories,
        subresources=tuple(subresources),
    )


def strategy_of(crd: CustomResourceDefinition, version: Version, versions: Versions) -> Strategy[Any]:
    """The strategy of `version`, one of `versions`."""
    resource = resource_of(crd, version)
    subresources = version.declared.subresources
    has_status = subresources is not None and subresources.status is not None
    scale = subresources.scale if subresources is not None else None
    rules = _Rules(resource, version, has_status, crd.metadata.deletion_timestamp is not None)
    return Strategy(
        type=version.type,
        prefix=prefix_of(crd),
        core_finalizers=False,
        generation=("body",),
        allow_unconditional_update=False,
        always_warns=deprecation(crd, version),
        defaults=version.defaults,
        prepare_create=rules.prepare_create,
        prepare_update=rules.prepare_update,
        validate=version.errors,
        validate_update=version.update_errors,
        status=Status(keep=(), prepare=rules.prepare_status, validate=rules.status_errors) if has_status else None,
        scale=_scale(scale) if scale is not None else None,
        fields=selectable(version),
        own_field_labels=True,
        served=resource,
        reading=CustomReading(version),
        tracked=_tracked(versions, has_status),
        printer=CustomPrinter(version.declared.additional_printer_columns),
        list_kind=crd.status.accepted_names.list_kind,
    )


def prefix_of(crd: CustomResourceDefinition) -> str:
    return f"{crd.spec.group}/{crd.spec.names.plural}"


def deprecation(crd: CustomResourceDefinition, version: Version) -> str:
    """What everyone who uses a deprecated version is told."""
    declared = version.declared
    if not declared.deprecated:
        return ""
    if declared.deprecation_warning is not None:
        return declared.deprecation_warning
    told = f"{version.api_version} {version.kind} is deprecated"
    own = priority(declared.name)
    newer = [v.name for v in crd.spec.versions or () if v.served and not v.deprecated and priority(v.name) < own]
    if newer:
        told += f"; use {crd.spec.group}/{min(newer, key=priority)} {version.kind}"
    return told


class _Rules:
    """What becomes of objects on their way to the store."""

    def __init__(self, resource: Resource, version: Version, has_status: bool, terminating: bool) -> None:
        self._resource = resource
        self._version = version
        self._has_status = has_status
        self._terminating = terminating

    def prepare_create(self, obj: CustomObject, write: Write) -> CustomObject:
        if self._terminating:
            raise errors.forbidden(self._resource.group, self._resource.resource, obj.metadata.name, TERMINATING)
        self._check_kind(obj)
        return _with_status(obj, None) if self._has_status else obj

    def prepare_update(self, new: CustomObject, old: CustomObject, write: Write) -> CustomObject:
        self._check_kind(new)
        return _with_status(new, old.body.get("status")) if self._has_status else new

    def prepare_status(self, new: CustomObject, old: CustomObject, write: Write) -> CustomObject:
        """Only the status, and who manages it."""
        self._check_kind(new)
        metadata = replace(old.metadata, managed_fields=new.metadata.managed_fields)
        return _with_status(replace(old, metadata=metadata), new.body.get("status"))

    def status_errors(self, new: CustomObject, old: CustomObject) -> FieldErrors:
        return self._version.status_errors(new, old)

    def _check_kind(self, obj: CustomObject) -> None:
        if obj.kind != self._version.kind:
            wrong = invalid("kind", obj.kind, f"must be {self._version.kind}")
            raise as_status(self._resource.group, obj.kind, obj.metadata.name, [wrong])


def _with_status(obj: CustomObject, status: Any) -> CustomObject:
    if obj.body.get("status") == status and (status is not None or "status" not in obj.body):
        return obj
    body = {name: value for name, value in obj.body.items() if name != "status"}
    return replace(obj, body=body if status is None else {**body, "status": status})


def _tracked(versions: Versions, has_status: bool) -> Tracked:
    return Tracked(
        nodes={name: nodes.root(version.schema) for name, version in versions.items()},
        ignored={"": [("status",)] if has_status else [], "status": [("metadata",), ("spec",)]},
    )


def selectable(version: Version) -> Mapping[str, Callable[[CustomObject], str]]:
    """The fields that the version lets select by."""
    return {
        field.json_path.removeprefix("."): _selected(field.json_path) for field in version.declared.selectable_fields
    }


def _selected(path: str) -> Callable[[CustomObject], str]:
    names = paths.split(path)

    def read(obj: CustomObject) -> str:
        found = paths.read(obj.body, names)
        if isinstance(found, bool):
            return "true" if found else "false"
        return "" if found is None else str(found)

    return read


def _scale(declared: CustomResourceSubresourceScale) -> Scale[CustomObject]:
    spec, status = paths.split(declared.spec_replicas_path), paths.split(declared.status_replicas_path)
    selector = paths.split(declared.label_selector_path) if declared.label_selector_path else None

    def replicas(obj: CustomObject, names: tuple[str, ...]) -> int:
        found = paths.read(obj.body, names)
        return found if isinstance(found, int) and not isinstance(found, bool) else 0

    def wanted(obj: CustomObject) -> int:
        return replicas(obj, spec)

    def shown_selector(obj: CustomObject) -> str:
        found = paths.read(obj.body, selector) if selector is not None else ""
        return found if isinstance(found, str) else ""

    def missing(obj: CustomObject) -> str:
        path = declared.spec_replicas_path
        there = paths.read(obj.body, spec) is not None
        return "" if there else f'the spec replicas field "{path}" does not exist'

    return Scale(
        spec_replicas=wanted,
        status_replicas=lambda obj: replicas(obj, status),
        selector=shown_selector,
        path=spec,
        missing=missing,
        with_replicas=lambda obj, count: replace(obj, body=paths.written(obj.body, spec, count)),
    )
