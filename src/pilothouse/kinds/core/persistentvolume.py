"""PersistentVolume."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.time import format_time
from pilothouse.api.types.core.v1 import (
    LocalVolumeSource,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeSource,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    VolumeNodeAffinity,
)
from pilothouse.kinds.cells import age
from pilothouse.kinds.core import claims, disks
from pilothouse.kinds.core.podspec import checks, volumes
from pilothouse.kinds.core.podspec import warnings as pod_warnings
from pilothouse.kinds.core.podspec.placement import node_selector
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, Status, Strategy, Write
from pilothouse.semantics.validation.meta import IMMUTABLE
from pilothouse.semantics.volumes import CLASS_ANNOTATION

MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
CLASS = CLASS_ANNOTATION
MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
UNSET = "<unset>"
_INLINE = "may not be specified in the context of inline volumes"
_NO_ATTRIBUTES = "has to be specified when using volumeAttributesClassName"
_MOUNTED = (
    "gce_persistent_disk",
    "aws_elastic_block_store",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azure_file",
    "vsphere_volume",
    "azure_disk",
)
"""Sources that heed the annotation of mount options."""
_PLUGINS: Sequence[tuple[str, str, disks.Check]] = (
    ("host_path", "hostPath", disks.host_path),
    ("gce_persistent_disk", "persistentDisk", disks.partitioned("pd_name", "pdName")),
    ("aws_elastic_block_store", "awsElasticBlockStore", disks.partitioned("volume_id", "volumeID")),
    ("glusterfs", "glusterfs", disks.glusterfs),
    ("flocker", "flocker", disks.flocker),
    ("nfs", "nfs", disks.nfs),
    ("rbd", "rbd", disks.needs(monitors="monitors", image="image")),
    ("quobyte", "quobyte", disks.quobyte),
    ("cephfs", "cephfs", disks.needs(monitors="monitors")),
    ("iscsi", "iscsi", disks.iscsi),
    ("cinder", "cinder", disks.cinder),
    ("fc", "fc", disks.fibre_channel),
    ("flex_volume", "flexVolume", disks.flex),
    ("azure_file", "azureFile", disks.azure_file),
    ("vsphere_volume", "vsphereVolume", disks.needs(volume_path="volumePath")),
    ("photon_persistent_disk", "photonPersistentDisk", disks.needs(pd_id="pdID")),
    ("portworx_volume", "portworxVolume", disks.needs(volume_id="volumeID")),
    ("azure_disk", "azureDisk", disks.azure_disk),
    ("scale_io", "scaleIO", disks.needs(gateway="gateway", system="system", volume_name="volumeName")),
    ("local", "local", disks.local),
    ("storageos", "storageos", disks.storage_os),
    ("csi", "csi", disks.csi),
)
_SOURCES = PersistentVolumeSource.__struct_fields__


def modes(found: Iterable[str]) -> str:
    """Access modes in their short form and order."""
    held = set(found)
    return ",".join(short for mode, short in MODES.items() if mode in held)


def defaults(obj: PersistentVolume) -> PersistentVolume:
    spec = obj.spec
    changes: dict[str, Any] = {}
    if not spec.persistent_volume_reclaim_policy:
        changes["persistent_volume_reclaim_policy"] = "Retain"
    if spec.volume_mode is None:
        changes["volume_mode"] = "Filesystem"
    for name in _SOURCES:
        source = getattr(spec, name)
        if source is not None and (filled := volumes.source_defaults(name, source)) is not source:
            changes[name] = filled
    if changes:
        obj = replace(obj, spec=replace(spec, **changes))
    return obj if obj.status.phase else replace(obj, status=replace(obj.status, phase="Pending"))


def prepare_create(obj: PersistentVolume, write: Write) -> PersistentVolume:
    return replace(
        obj, status=PersistentVolumeStatus(phase="Pending", last_phase_transition_time=format_time(write.now))
    )


def prepare_status(new: PersistentVolume, old: PersistentVolume, write: Write) -> PersistentVolume:
    """A new phase gets its time, unless the client gives one."""
    status, before = new.status, old.status
    given = status.last_phase_transition_time
    if status.phase == before.phase or (given is not None and given != before.last_phase_transition_time):
        return new
    return replace(new, status=replace(status, last_phase_transition_time=format_time(write.now)))


def validate(obj: PersistentVolume) -> FieldErrors:
    return spec_errors("spec", obj.spec, obj.metadata.name) + _mount_options(obj)


def _mount_options(obj: PersistentVolume) -> FieldErrors:
    if MOUNT_OPTIONS not in obj.metadata.annotations or any(getattr(obj.spec, name) is not None for name in _MOUNTED):
        return []
    return [forbidden(f"metadata.annotations.{MOUNT_OPTIONS}", "may not specify mount options for this volume type")]


def spec_errors(path: str, spec: PersistentVolumeSpec, name: str = "", *, inline: bool = False) -> FieldErrors:
    """Of the volume `name`. `inline`: the spec stands in a VolumeAttachment, without a PersistentVolume."""
    found = _only_inline(path, spec) if inline else []
    if not spec.access_modes:
        found.append(required(f"{path}.accessModes"))
    found += claims.access_modes(f"{path}.accessModes", spec.access_modes)
    if not inline:
        found += _capacity(spec)
    policy, at = spec.persistent_volume_reclaim_policy, f"{path}.persistentVolumeReclaimPolicy"
    if inline and policy not in ("", "Retain"):
        found.append(forbidden(at, "may only be Retain in the context of inline volumes"))
    elif not inline and policy and policy not in RECLAIM_POLICIES:
        found.append(not_supported(at, policy, RECLAIM_POLICIES))
    if spec.node_affinity is not None:
        inlined = [forbidden(f"{path}.nodeAffinity", _INLINE)] if inline else []
        found += inlined or _affinity(spec.node_affinity)
    found += _one_source(path, spec, name, inline)
    if spec.host_path is not None and policy == "Recycle" and _is_root(spec.host_path.path):
        found.append(forbidden(at, "may not be 'recycle' for a hostPath mount of '/'"))
    if spec.storage_class_name:
        inlined = [forbidden(f"{path}.storageClassName", _INLINE)] if inline else []
        found += inlined or checks.subdomain(f"{path}.storageClassName", spec.storage_class_name)
    mode = spec.volume_mode
    if inline and mode not in (None, "Filesystem"):
        told = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        found.append(forbidden(f"{path}.volumeMode", told))
    elif mode is not None and not inline and mode not in claims.VOLUME_MODES:
        found.append(not_supported(f"{path}.volumeMode", mode, claims.VOLUME_MODES))
    return found if inline else found + _attributes_class(spec)


def _only_inline(path: str, spec: PersistentVolumeSpec) -> FieldErrors:
    found: FieldErrors = []
    if spec.claim_ref is not None:
        found.append(forbidden(f"{path}.claimRef", _INLINE))
    if spec.capacity:
        found.append(forbidden(f"{path}.capacity", _INLINE))
    if spec.csi is None:
        found.append(required(f"{path}.csi", "has to be specified in the context of inline volumes"))
    return found


def _one_source(path: str, spec: PersistentVolumeSpec, name: str, inline: bool) -> FieldErrors:
    """What is wrong with the one source. A flexVolume is checked beside another too, and not refused."""

    def local(at: str, source: LocalVolumeSource) -> FieldErrors:
        placed = spec.node_affinity is not None and not inline
        unplaced = [] if placed else [required(f"{path}.nodeAffinity", "Local volume requires node affinity")]
        return disks.local(at, source) + unplaced

    special = {"local": local, "iscsi": disks.iscsi_of(name)}
    plugins = [(attribute, key, special.get(attribute, check)) for attribute, key, check in _PLUGINS]
    found = disks.one_source(path, spec, plugins)
    flex = f"{path}.flexVolume"
    if spec.flex_volume is not None and (refused := forbidden(flex, disks.ONE_SOURCE)) in found:
        found.remove(refused)
        found += disks.flex(flex, spec.flex_volume)
    return found


def _is_root(path: str) -> bool:
    return path.startswith("/") and posixpath.normpath("/" + path.lstrip("/")) == "/"


def _capacity(spec: PersistentVolumeSpec) -> FieldErrors:
    path, capacity = "spec.capacity", spec.capacity
    found = [] if capacity else [required(path)]
    if "storage" not in capacity or len(capacity) > 1:
        found.append(not_supported(path, capacity, ("storage",)))
    for name, amount in capacity.items():
        if amount.value < 0:
            found.append(invalid(f"{path}[{name}]", amount.integer(), "must be a valid resource quantity"))
        if amount.value <= 0:
            found.append(invalid(f"{path}[{name}]", str(amount), "must be greater than zero"))
    return found


def _affinity(affinity: VolumeNodeAffinity) -> FieldErrors:
    if affinity.required is None:
        return [required("spec.nodeAffinity.required", "must specify required node constraints")]
    return node_selector("spec.nodeAffinity.required", affinity.required)


def _attributes_class(spec: PersistentVolumeSpec) -> FieldErrors:
    path, name = "spec.volumeAttributesClassName", spec.volume_attributes_class_name
    if name is None:
        return []
    found = checks.subdomain(path, name) if name else [required(path, "an empty string is disallowed")]
    return found if spec.csi is not None else [*found, required("spec.csi", _NO_ATTRIBUTES)]


def validate_update(new: PersistentVolume, old: PersistentVolume) -> FieldErrors:
    """What makes a new volume bad comes twice: for the volume, and for the change."""
    spec, before = new.spec, old.spec
    found = validate(new) + spec_errors("spec", spec, new.metadata.name)
    source, former = _source(spec), _source(before)
    if former.csi is not None and former.csi.controller_expand_secret_ref is None and source.csi is not None:
        source = replace(source, csi=replace(source.csi, controller_expand_secret_ref=None))
    if source != former:
        told = "spec.persistentvolumesource is immutable after creation\n" + go_text.unified_diff(former, source)
        found.append(forbidden("spec.persistentvolumesource", told))
    if spec.volume_mode != before.volume_mode:
        found.append(invalid("volumeMode", spec.volume_mode, IMMUTABLE))
    if before.node_affinity is not None and _upgraded(spec.node_affinity, before.node_affinity) != before.node_affinity:
        told = f"{IMMUTABLE}, except for updating from beta label to GA"
        found.append(invalid("nodeAffinity", spec.node_affinity, told))
    if before.volume_attributes_class_name is not None and spec.volume_attributes_class_name is None:
        detail = "update from non-nil value to nil is forbidden"
        found.append(forbidden("spec.volumeAttributesClassName", detail))
    return found


def _source(spec: PersistentVolumeSpec) -> PersistentVolumeSource:
    return PersistentVolumeSource(**{name: getattr(spec, name) for name in _SOURCES})


_LABELS = {
    "kubernetes.io/os": "beta.kubernetes.io/os",
    "kubernetes.io/arch": "beta.kubernetes.io/arch",
    "topology.kubernetes.io/zone": "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region": "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type": "beta.kubernetes.io/instance-type",
}


def _upgraded(new: VolumeNodeAffinity | None, old: VolumeNodeAffinity) -> VolumeNodeAffinity | None:
    """`new` with the beta names of labels where `old` has them: these may be replaced by the stable ones."""
    if new is None or new.required is None or old.required is None:
        return new
    terms, former = new.required.node_selector_terms or (), old.required.node_selector_terms or ()
    if len(terms) != len(former):
        return new
    shown = tuple(_with_old_keys(term, before) for term, before in zip(terms, former, strict=True))
    return replace(new, required=replace(new.required, node_selector_terms=shown))


def _with_old_keys(new: NodeSelectorTerm, old: NodeSelectorTerm) -> NodeSelectorTerm:
    if len(new.match_expressions) != len(old.match_expressions):
        return new
    pairs = zip(new.match_expressions, old.match_expressions, strict=True)
    found = tuple(
        replace(wanted, key=before.key) if _LABELS.get(wanted.key) == before.key else wanted for wanted, before in pairs
    )
    return replace(new, match_expressions=found)


def warnings(obj: PersistentVolume) -> Sequence[str]:
    return list(_warnings(obj))


def _warnings(obj: PersistentVolume) -> Iterator[str]:
    spec, annotations = obj.spec, obj.metadata.annotations
    if CLASS in annotations:
        yield claims.CLASS_WARNING
    if MOUNT_OPTIONS in annotations:
        yield f'metadata.annotations[{MOUNT_OPTIONS}]: deprecated since v1.31; use "mountOptions" attribute instead'
    if spec.persistent_volume_reclaim_policy == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    if spec.node_affinity is not None and spec.node_affinity.required is not None:
        for index, term in enumerate(spec.node_affinity.required.node_selector_terms or ()):
            yield from pod_warnings.node_term(f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]", term)
    for attribute, (name, told) in pod_warnings.VOLUMES.items():
        if getattr(spec, attribute, None) is not None:
            yield f"spec.{name}: {told}"


def row(obj: PersistentVolume, now: float) -> Sequence[Cell]:
    spec, status = obj.spec, obj.status
    phase = "Terminating" if obj.metadata.deletion_timestamp is not None else status.phase
    claim = spec.claim_ref
    return (
        obj.metadata.name,
        str(spec.capacity["storage"]) if "storage" in spec.capacity else "0",
        modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        phase,
        f"{claim.namespace}/{claim.name}" if claim is not None else "",
        obj.metadata.annotations.get(CLASS, spec.storage_class_name),
        UNSET if spec.volume_attributes_class_name is None else spec.volume_attributes_class_name,
        status.reason,
        age(obj.metadata.creation_timestamp, now),
        UNSET if spec.volume_mode is None else spec.volume_mode,
    )


STRATEGY = Strategy(
    type=PersistentVolume,
    prefix="persistentvolumes",
    status=Status(prepare=prepare_status),
    deletion=Deletion(returns_object=True),
    meta_update=MetaUpdate(whole=2, change=0),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    tells_empty=True,
)
