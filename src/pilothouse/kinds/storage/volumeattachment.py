"""VolumeAttachment."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required, too_long
from pilothouse.api.types.storage.v1 import VolumeAttachment, VolumeAttachmentSource, VolumeError
from pilothouse.kinds.cells import age
from pilothouse.kinds.core.disks import driver_name
from pilothouse.kinds.core.persistentvolume import spec_errors
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy
from pilothouse.semantics.validation.meta import IMMUTABLE
from pilothouse.semantics.validation.names import dns_subdomain

_METADATA, _MESSAGE = 256 * 1024, 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"


def validate(obj: VolumeAttachment) -> FieldErrors:
    """A new attachment is checked more strictly than one that is there."""
    spec, name = obj.spec, obj.spec.source.persistent_volume_name
    found = _any(obj) + driver_name("spec.attacher", spec.attacher)
    if name is not None:
        found += [invalid("spec.source.persistentVolumeName", name, fault) for fault in dns_subdomain(name)]
    return found


def _any(obj: VolumeAttachment) -> FieldErrors:
    spec, status = obj.spec, obj.status
    found = _source(spec.source)
    found += [invalid("spec.nodeName", spec.node_name, fault) for fault in dns_subdomain(spec.node_name)]
    size = sum(len(k.encode()) + len(v.encode()) for k, v in status.attachment_metadata.items())
    if size > _METADATA:
        found.append(too_long("status.attachmentMetadata", _METADATA))
    return found + _error("status.attachError", status.attach_error) + _error("status.detachError", status.detach_error)


def _source(source: VolumeAttachmentSource) -> FieldErrors:
    path, name, inline = "spec.source", source.persistent_volume_name, source.inline_volume_spec
    if name is None and inline is None:
        return [required(path, _ONE_SOURCE)]
    if name is not None and inline is not None:
        return [forbidden(path, _ONE_SOURCE)]
    if inline is not None:
        return spec_errors(f"{path}.inlineVolumeSpec", inline, inline=True)
    told = "must specify non empty persistentVolumeName"
    return [] if name else [required(f"{path}.persistentVolumeName", told)]


def _error(path: str, error: VolumeError | None) -> FieldErrors:
    if error is None:
        return []
    found = [too_long(f"{path}.message", _METADATA)] if len(error.message.encode()) > _MESSAGE else []
    code = error.error_code
    if code is not None and code < 0:
        found.append(invalid(f"{path}.errorCode", code, "must be between 0 and 2147483647, inclusive"))
    return found


def validate_update(new: VolumeAttachment, old: VolumeAttachment) -> FieldErrors:
    """What makes an attachment bad comes twice: for the attachment, and for the change."""
    found = _any(new) * 2
    return [*found, invalid("spec", new.spec, IMMUTABLE)] if new.spec != old.spec else found


def row(obj: VolumeAttachment, now: float) -> Sequence[Cell]:
    return (
        obj.metadata.name,
        obj.spec.attacher,
        obj.spec.source.persistent_volume_name or "",
        obj.spec.node_name,
        obj.status.attached,
        age(obj.metadata.creation_timestamp, now),
    )


STRATEGY = Strategy(
    type=VolumeAttachment,
    prefix="volumeattachments",
    allow_unconditional_update=False,
    meta_update=MetaUpdate(whole=2, change=0),
    status=Status(
        keep=("spec", "metadata.labels", "metadata.annotations", "metadata.finalizers", "metadata.owner_references"),
        validate=validate_update,
        meta_update=MetaUpdate(whole=2, change=0),
    ),
    deletion=Deletion(returns_object=True),
    row=row,
    validate=validate,
    validate_update=validate_update,
)
