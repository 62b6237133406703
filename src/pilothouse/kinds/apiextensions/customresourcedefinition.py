"""CustomResourceDefinition."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.apiextensions.v1 import (
    CustomResourceConversion,
    CustomResourceDefinition,
    CustomResourceDefinitionCondition,
    CustomResourceDefinitionStatus,
)
from pilothouse.kinds.apiextensions import formats
from pilothouse.kinds.apiextensions.naming import with_condition
from pilothouse.kinds.apiextensions.validation import status_errors, validate, validate_update
from pilothouse.kinds.strategy import Deletion, Status, Strategy, Write

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
"""Holds a definition that is deleted until its custom resources are gone."""
_PENDING = CustomResourceDefinitionCondition(
    type="Terminating",
    status="True",
    reason="InstanceDeletionPending",
    message="CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
)
Crd = CustomResourceDefinition


def defaults(crd: Crd) -> Crd:
    names, spec = crd.spec.names, crd.spec
    if not names.singular:
        names = replace(names, singular=names.kind.lower())
    if not names.list_kind and names.kind:
        names = replace(names, list_kind=f"{names.kind}List")
    conversion = spec.conversion or CustomResourceConversion(strategy="None")
    return replace(crd, spec=replace(spec, names=names, conversion=_with_port(conversion)))


def _with_port(conversion: CustomResourceConversion) -> CustomResourceConversion:
    webhook = conversion.webhook
    if webhook is None or webhook.client_config is None or webhook.client_config.service is None:
        return conversion
    client = webhook.client_config
    service = client.service
    if service is None or service.port is not None:
        return conversion
    client = replace(client, service=replace(service, port=443))
    return replace(conversion, webhook=replace(webhook, client_config=client))


def prepare_create(crd: Crd, write: Write) -> Crd:
    return _storing(replace(crd, status=CustomResourceDefinitionStatus()))


def prepare_update(new: Crd, old: Crd, write: Write) -> Crd:
    return _storing(new)


def _storing(crd: Crd) -> Crd:
    """The storage version is among the stored ones, from before the first object on."""
    stored = list(crd.status.stored_versions or ())
    for version in crd.spec.versions or ():
        if version.storage and version.name not in stored:
            stored.append(version.name)
            break
    return replace(crd, status=replace(crd.status, stored_versions=tuple(stored) or None))


def mark(crd: Crd, write: Write) -> Crd:
    """A definition that goes waits until its objects are gone."""
    meta = crd.metadata
    if FINALIZER not in meta.finalizers:
        meta = replace(meta, finalizers=(*meta.finalizers, FINALIZER))
    meta = replace(meta, deletion_timestamp=meta.deletion_timestamp or format_time(write.now))
    conditions = with_condition(crd.status.conditions or (), _PENDING, write.now)
    return replace(crd, metadata=meta, status=replace(crd.status, conditions=conditions))


def _unmarked(crd: Any) -> bool:
    return crd.metadata.deletion_timestamp is None


STRATEGY = Strategy(
    type=CustomResourceDefinition,
    prefix="apiextensions.k8s.io/customresourcedefinitions",
    core_finalizers=False,
    generation=("spec",),
    allow_unconditional_update=False,
    defaults=defaults,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    validate=validate,
    validate_update=validate_update,
    warnings=formats.warnings,
    warnings_update=formats.warnings_update,
    status=Status(prepare=prepare_update, validate=lambda new, old: status_errors(new.status)),
    deletion=Deletion(collected=False, waits=_unmarked, storage_words=True, bumps=False, mark=mark),
)
