"""Volumes: one source each, and what each source needs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_supported, required, too_long
from pilothouse.api.types.core import v1 as core
from pilothouse.apiserver.resources.core.podspec import checks, env, resources
from pilothouse.semantics.validation import meta as metadata
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MODE_FAULT = "must be a number between 0 and 0777 (octal), both inclusive"
Check = Callable[[str, Any], FieldErrors]


def _mode(path: str, mode: int | None) -> FieldErrors:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, _MODE_FAULT)]


def _items(path: str, items: Sequence[core.KeyToPath]) -> FieldErrors:
    found: FieldErrors = []
    for index, item in enumerate(items):
        at = f"{path}.items[{index}]"
        if not item.key:
            found.append(required(f"{at}.key"))
        found += checks.non_reserved(f"{at}.path", item.path) if item.path else [required(f"{at}.path")]
        found += _mode(f"{at}.mode", item.mode)
    return found


def _config_map(path: str, source: core.ConfigMapVolumeSource) -> FieldErrors:
    found = [] if source.name else [required(f"{path}.name")]
    return found + _mode(f"{path}.defaultMode", source.default_mode) + _items(path, source.items)


def _secret(path: str, source: core.SecretVolumeSource) -> FieldErrors:
    found = [] if source.secret_name else [required(f"{path}.secretName")]
    return found + _mode(f"{path}.defaultMode", source.default_mode) + _items(path, source.items)


def _downward_file(path: str, file: core.DownwardAPIVolumeFile) -> FieldErrors:
    found = checks.non_reserved(f"{path}.path", file.path) if file.path else [required(f"{path}.path")]
    if file.field_ref is not None:
        found += env.field_selector(f"{path}.fieldRef", file.field_ref, env.VOLUME_FIELDS)
        if file.resource_field_ref is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(invalid(path, "resource", detail))
    elif file.resource_field_ref is not None:
        found += env.resource_selector(f"{path}.resourceFieldRef", file.resource_field_ref, in_volume=True)
    else:
        found.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return found + _mode(f"{path}.mode", file.mode)


def _downward(path: str, source: core.DownwardAPIVolumeSource) -> FieldErrors:
    found = _mode(f"{path}.defaultMode", source.default_mode)
    return found + checks.flat(_downward_file(path, file) for file in source.items)


class _Paths:
    """The paths that projections of one volume take; none may be taken twice."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._taken: set[str] = set()

    def take(self, name: str, paths: Sequence[str]) -> FieldErrors:
        found: FieldErrors = []
        for one in paths:
            if one and one in self._taken:
                found.append(invalid(self._path, name, "conflicting duplicate paths"))
            elif one:
                self._taken.add(one)
        return found


def _projected(path: str, source: core.ProjectedVolumeSource) -> FieldErrors:
    found = _mode(f"{path}.defaultMode", source.default_mode)
    taken = _Paths(path)
    for index, one in enumerate(source.sources or ()):
        at = f"{path}.sources[{index}]"
        kinds = 0
        for kind, projection in (("secret", one.secret), ("configMap", one.config_map)):
            if projection is None:
                continue
            kinds += 1
            if kinds > 1:
                found.append(forbidden(f"{at}.{kind}", "may not specify more than 1 volume type per source"))
                continue
            if not projection.name:
                found.append(required(f"{at}.{kind}.name"))
            found += _items(f"{at}.{kind}", projection.items)
            found += taken.take(projection.name, [item.path for item in projection.items])
        if one.downward_api is not None:
            kinds += 1
            where = f"{at}.downwardAPI"
            if kinds > 1:
                found.append(forbidden(where, "may not specify more than 1 volume type per source"))
            for file in one.downward_api.items:
                found += _downward_file(where, file)
                found += taken.take("downwardAPI", [file.path])
        if one.service_account_token is not None:
            kinds += 1
            found += _token(path, at, one.service_account_token, taken, first=kinds == 1)
        if (bundle := one.cluster_trust_bundle) is not None:
            found += _bundle(f"{at}.clusterTrustBundle", bundle)
    return found


def _token(path: str, at: str, token: core.ServiceAccountTokenProjection, taken: _Paths, *, first: bool) -> FieldErrors:
    where = f"{at}.serviceAccountToken"
    found = [] if first else [forbidden(where, "may not specify more than 1 volume type per source")]
    seconds = token.expiration_seconds
    if seconds is not None and seconds < 600:
        found.append(invalid(f"{where}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    elif seconds is not None and seconds > 1 << 32:
        detail = "may not specify a duration larger than 2^32 seconds"
        found.append(invalid(f"{where}.expirationSeconds", seconds, detail))
    if not token.path:
        found.append(required(f"{path}.path"))
    else:
        found += checks.non_reserved(f"{path}.path", token.path)
    return found + taken.take("serviceAccountToken", [token.path])


def _bundle(path: str, bundle: core.ClusterTrustBundleProjection) -> FieldErrors:
    found: FieldErrors = []
    if bundle.name is not None and bundle.signer_name is not None:
        found.append(invalid(path, bundle, "only one of name and signerName may be used"))
    elif bundle.name is None and bundle.signer_name is None:
        found.append(required(path, "either name or signerName must be specified"))
    found += checks.non_reserved(f"{path}.path", bundle.path) if bundle.path else [required(f"{path}.path")]
    return found


def _host_path(path: str, source: core.HostPathVolumeSource) -> FieldErrors:
    found = checks.backsteps(f"{path}.path", source.path) if source.path else [required(f"{path}.path")]
    return found + checks.one_of(f"{path}.type", source.type or "", HOST_PATH_TYPES)


def _empty_dir(path: str, source: core.EmptyDirVolumeSource) -> FieldErrors:
    if source.size_limit is not None and source.size_limit.value < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def claim_template_spec(path: str, spec: core.PersistentVolumeClaimSpec) -> FieldErrors:
    """The spec of a claim, in a claim or in a template."""
    found: FieldErrors = []
    if not spec.access_modes:
        found.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    if spec.selector is not None:
        found += metadata.label_map(spec.selector.match_labels, f"{path}.selector.matchLabels")
    for mode in spec.access_modes:
        found += checks.one_of(f"{path}.accessModes", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in spec.access_modes and len(spec.access_modes) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        found.append(forbidden(f"{path}.accessModes", detail))
    storage = spec.resources.requests.get("storage")
    if storage is None:
        found.append(required(f"{path}.resources[storage]"))
    else:
        found += resources.amount(f"{path}.resources[storage]", "storage", storage)
        if storage.value == 0:
            found.append(invalid(f"{path}.resources[storage]", storage.text, "must be greater than zero"))
    name = spec.storage_class_name
    if name:
        found += [invalid(f"{path}.storageClassName", name, fault) for fault in dns_subdomain(name, False)]
    if spec.volume_mode is not None and spec.volume_mode not in VOLUME_MODES:
        found.append(not_supported(f"{path}.volumeMode", spec.volume_mode, VOLUME_MODES))
    return found


def _ephemeral(path: str, source: core.EphemeralVolumeSource) -> FieldErrors:
    template, at = source.volume_claim_template, f"{path}.volumeClaimTemplate"
    if template is None:
        return [required(at)]
    found: FieldErrors = []
    if template.metadata is not None:
        for name in ("name", "namespace", "generateName"):
            if getattr(template.metadata, "generate_name" if name == "generateName" else name):
                found.append(forbidden(f"{at}.metadata.{name}", "cannot be set"))
        found += metadata.label_map(template.metadata.labels, f"{at}.metadata.labels")
        found += metadata.annotation_map(template.metadata.annotations, f"{at}.metadata.annotations")
    return found + claim_template_spec(f"{at}.spec", template.spec)


def _image(path: str, source: core.ImageVolumeSource) -> FieldErrors:
    found = [] if source.reference else [required(f"{path}.reference")]
    return found + checks.one_of(f"{path}.pullPolicy", source.pull_policy, PULL_POLICIES, empty_is="required")


def _csi(path: str, source: core.CSIVolumeSource) -> FieldErrors:
    if not source.driver:
        found = [required(f"{path}.driver")]
    else:
        found = [invalid(f"{path}.driver", source.driver, f) for f in dns_subdomain(source.driver.lower(), False)]
        if len(source.driver) > 63:
            found = [too_long(f"{path}.driver", 63)]
    if source.node_publish_secret_ref is not None and not source.node_publish_secret_ref.name:
        found.append(required(f"{path}.nodePublishSecretRef.name"))
    return found


def _nfs(path: str, source: core.NFSVolumeSource) -> FieldErrors:
    found = [] if source.server else [required(f"{path}.server")]
    if not source.path:
        found.append(required(f"{path}.path"))
    elif not source.path.startswith("/"):
        found.append(invalid(f"{path}.path", source.path, "must be an absolute path"))
    return found


def _iscsi(path: str, source: core.ISCSIVolumeSource) -> FieldErrors:
    found = [] if source.target_portal else [required(f"{path}.targetPortal")]
    if not source.iqn:
        found.append(required(f"{path}.iqn"))
    elif not source.iqn.startswith(("iqn", "eui", "naa")):
        found.append(invalid(f"{path}.iqn", source.iqn, "must be valid format starting with iqn, eui, or naa"))
    if not 0 <= source.lun <= 255:
        found.append(invalid(f"{path}.lun", source.lun, checks.between(0, 255)))
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        found.append(required(f"{path}.secretRef"))
    return found


def _needs(**fields: str) -> Check:
    """A source of which some fields must be there: JSON name by attribute."""

    def check(path: str, source: Any) -> FieldErrors:
        return [required(f"{path}.{name}") for attribute, name in fields.items() if not getattr(source, attribute)]

    return check


CHECKS: Mapping[str, tuple[str, Check]] = {
    "empty_dir": ("emptyDir", _empty_dir),
    "host_path": ("hostPath", _host_path),
    "git_repo": ("gitRepo", _needs(repository="repository")),
    "gce_persistent_disk": ("gcePersistentDisk", _needs(pd_name="pdName")),
    "aws_elastic_block_store": ("awsElasticBlockStore", _needs(volume_id="volumeID")),
    "secret": ("secret", _secret),
    "nfs": ("nfs", _nfs),
    "iscsi": ("iscsi", _iscsi),
    "glusterfs": ("glusterfs", _needs(endpoints="endpoints", path="path")),
    "flocker": ("flocker", lambda path, source: []),
    "persistent_volume_claim": ("persistentVolumeClaim", _needs(claim_name="claimName")),
    "rbd": ("rbd", _needs(monitors="monitors", image="image")),
    "cinder": ("cinder", _needs(volume_id="volumeID")),
    "cephfs": ("cephfs", _needs(monitors="monitors")),
    "quobyte": ("quobyte", _needs(registry="registry", volume="volume")),
    "downward_api": ("downwardAPI", _downward),
    "fc": ("fc", lambda path, source: []),
    "flex_volume": ("flexVolume", _needs(driver="driver")),
    "config_map": ("configMap", _config_map),
    "azure_file": ("azureFile", _needs(secret_name="secretName", share_name="shareName")),
    "vsphere_volume": ("vsphereVolume", _needs(volume_path="volumePath")),
    "photon_persistent_disk": ("photonPersistentDisk", _needs(pd_id="pdID")),
    "portworx_volume": ("portworxVolume", _needs(volume_id="volumeID")),
    "azure_disk": ("azureDisk", _needs(disk_name="diskName", disk_uri="diskURI")),
    "storageos": ("storageos", lambda path, source: []),
    "projected": ("projected", _projected),
    "scale_io": ("scaleIO", _needs(gateway="gateway", system="system", volume_name="volumeName")),
    "csi": ("csi", _csi),
    "ephemeral": ("ephemeral", _ephemeral),
    "image": ("image", _image),
}


def _source(path: str, volume: core.Volume) -> FieldErrors:
    found: FieldErrors = []
    seen = False
    for attribute, (name, check) in CHECKS.items():
        source = getattr(volume, attribute)
        if source is None:
            continue
        if seen:
            found.append(forbidden(f"{path}.{name}", "may not specify more than 1 volume type"))
            continue
        seen = True
        found += check(f"{path}.{name}", source)
    return found if seen else [*found, required(path, "must specify a volume type")]


def volumes(path: str, found: Sequence[core.Volume]) -> FieldErrors:
    """spec.volumes."""
    errors: FieldErrors = []
    names: set[str] = set()
    for index, volume in enumerate(found):
        at = f"{path}[{index}]"
        errors += _source(at, volume)
        if not volume.name:
            errors.append(required(f"{at}.name"))
        elif faults := dns_label(volume.name, False):
            errors += [invalid(f"{at}.name", volume.name, fault) for fault in faults]
        elif volume.name in names:
            errors.append(duplicate(f"{at}.name", volume.name))
        names.add(volume.name)
    return errors
