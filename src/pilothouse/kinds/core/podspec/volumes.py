"""The defaults of volumes and of what they project. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec.images import default_pull_policy

FILE_MODE = 0o644
TOKEN_SECONDS = 3600
SOURCES = tuple(name for name in core.VolumeSource.__struct_fields__ if name != "name")


def _mode(source: Any) -> Any:
    return replace(source, default_mode=FILE_MODE) if source.default_mode is None else source


def _file(item: core.DownwardAPIVolumeFile) -> core.DownwardAPIVolumeFile:
    field = item.field_ref
    if field is None or field.api_version:
        return item
    return replace(item, field_ref=replace(field, api_version="v1"))


def _downward(source: core.DownwardAPIVolumeSource) -> core.DownwardAPIVolumeSource:
    return _mode(replace(source, items=tuple(map(_file, source.items))))  # type: ignore[no-any-return]


def _projection(source: core.VolumeProjection) -> core.VolumeProjection:
    token, downward = source.service_account_token, source.downward_api
    if token is not None and token.expiration_seconds is None:
        source = replace(source, service_account_token=replace(token, expiration_seconds=TOKEN_SECONDS))
    if downward is not None:
        files = tuple(map(_file, downward.items))
        source = replace(source, downward_api=replace(downward, items=files))
    return source


def _projected(source: core.ProjectedVolumeSource) -> core.ProjectedVolumeSource:
    sources = None if source.sources is None else tuple(map(_projection, source.sources))
    return _mode(replace(source, sources=sources))  # type: ignore[no-any-return]


def _host_path(source: core.HostPathVolumeSource) -> core.HostPathVolumeSource:
    return replace(source, type="") if source.type is None else source


def _iscsi(source: core.ISCSIVolumeSource) -> core.ISCSIVolumeSource:
    return source if source.iscsi_interface else replace(source, iscsi_interface="default")


def _rbd(source: core.RBDVolumeSource) -> core.RBDVolumeSource:
    return replace(
        source,
        pool=source.pool or "rbd",
        user=source.user or "admin",
        keyring=source.keyring or "/etc/ceph/keyring",
    )


def _azure_disk(source: core.AzureDiskVolumeSource) -> core.AzureDiskVolumeSource:
    return replace(
        source,
        caching_mode="ReadWrite" if source.caching_mode is None else source.caching_mode,
        kind="Shared" if source.kind is None else source.kind,
        fs_type="ext4" if source.fs_type is None else source.fs_type,
        read_only=False if source.read_only is None else source.read_only,
    )


def _scale_io(source: core.ScaleIOVolumeSource) -> core.ScaleIOVolumeSource:
    return replace(source, storage_mode=source.storage_mode or "ThinProvisioned", fs_type=source.fs_type or "xfs")


def claim_spec(spec: core.PersistentVolumeClaimSpec) -> core.PersistentVolumeClaimSpec:
    """A claim's spec, in a claim or in a template."""
    return replace(spec, volume_mode="Filesystem") if spec.volume_mode is None else spec


def _ephemeral(source: core.EphemeralVolumeSource) -> core.EphemeralVolumeSource:
    made = source.volume_claim_template
    return source if made is None else replace(source, volume_claim_template=replace(made, spec=claim_spec(made.spec)))


def _image(source: core.ImageVolumeSource) -> core.ImageVolumeSource:
    if source.pull_policy:
        return source
    return replace(source, pull_policy=default_pull_policy(source.reference))


_FILLS: dict[str, Callable[[Any], Any]] = {
    "config_map": _mode,
    "secret": _mode,
    "downward_api": _downward,
    "projected": _projected,
    "host_path": _host_path,
    "iscsi": _iscsi,
    "rbd": _rbd,
    "azure_disk": _azure_disk,
    "scale_io": _scale_io,
    "ephemeral": _ephemeral,
    "image": _image,
}


def source_defaults(name: str, source: Any) -> Any:
    """A source of volumes, of a pod or a PersistentVolume, with its defaults; `name` is its attribute."""
    fill = _FILLS.get(name)
    if fill is None or source is None:
        return source
    filled = fill(source)
    return source if filled == source else filled


def volume_defaults(volume: core.Volume) -> core.Volume:
    """A volume with the defaults of its source; one without a source is an emptyDir."""
    bare = True
    changes: dict[str, Any] = {}
    for name in SOURCES:
        source = getattr(volume, name)
        if source is None or source is UNSET:
            continue
        bare = False
        filled = source_defaults(name, source)
        if filled is not source:
            changes[name] = filled
    if bare:
        return replace(volume, empty_dir=core.EmptyDirVolumeSource())
    return replace(volume, **changes) if changes else volume
