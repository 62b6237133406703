"""Volumes: one source each, and what each source needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, required
from pilothouse.api.types.core import v1 as core
from pilothouse.apiserver.resources.core import claims, disks
from pilothouse.apiserver.resources.core.disks import Check
from pilothouse.apiserver.resources.core.podspec import checks, env
from pilothouse.semantics.validation import meta as metadata
from pilothouse.semantics.validation.names import dns_label

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MODE_FAULT = "must be a number between 0 and 0777 (octal), both inclusive"


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


def _empty_dir(path: str, source: core.EmptyDirVolumeSource) -> FieldErrors:
    if source.size_limit is not None and source.size_limit.value < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _ephemeral(path: str, source: core.EphemeralVolumeSource) -> FieldErrors:
    template, at = source.volume_claim_template, f"{path}.volumeClaimTemplate"
    if template is None:
        return [required(at)]
    found = metadata.template(template.metadata, f"{at}.metadata") if template.metadata is not None else []
    return found + claims.validate(f"{at}.spec", template.spec)


def _git_repo(path: str, source: core.GitRepoVolumeSource) -> FieldErrors:
    found = disks.needs(repository="repository")(path, source)
    return found + checks.descending(f"{path}.directory", source.directory)


def _csi(path: str, source: core.CSIVolumeSource) -> FieldErrors:
    found = disks.driver_name(f"{path}.driver", source.driver)
    secret = source.node_publish_secret_ref
    if secret is not None:
        at = f"{path}.nodePublishSecretRef.name"
        found += checks.subdomain(f"{path}.name", secret.name) if secret.name else [required(at)]
    return found


def _image(path: str, source: core.ImageVolumeSource) -> FieldErrors:
    found = [] if source.reference else [required(f"{path}.reference")]
    return found + checks.one_of(f"{path}.pullPolicy", source.pull_policy, PULL_POLICIES, empty_is="required")


CHECKS: Mapping[str, tuple[str, Check]] = {
    "empty_dir": ("emptyDir", _empty_dir),
    "host_path": ("hostPath", disks.host_path),
    "git_repo": ("gitRepo", _git_repo),
    "gce_persistent_disk": ("gcePersistentDisk", disks.partitioned("pd_name", "pdName")),
    "aws_elastic_block_store": ("awsElasticBlockStore", disks.partitioned("volume_id", "volumeID")),
    "secret": ("secret", _secret),
    "nfs": ("nfs", disks.nfs),
    "iscsi": ("iscsi", disks.iscsi),
    "glusterfs": ("glusterfs", disks.needs(endpoints="endpoints", path="path")),
    "flocker": ("flocker", disks.flocker),
    "persistent_volume_claim": ("persistentVolumeClaim", disks.needs(claim_name="claimName")),
    "rbd": ("rbd", disks.needs(monitors="monitors", image="image")),
    "cinder": ("cinder", disks.cinder),
    "cephfs": ("cephfs", disks.needs(monitors="monitors")),
    "quobyte": ("quobyte", disks.quobyte),
    "downward_api": ("downwardAPI", _downward),
    "fc": ("fc", disks.fibre_channel),
    "flex_volume": ("flexVolume", disks.flex),
    "config_map": ("configMap", _config_map),
    "azure_file": ("azureFile", disks.needs(secret_name="secretName", share_name="shareName")),
    "vsphere_volume": ("vsphereVolume", disks.needs(volume_path="volumePath")),
    "photon_persistent_disk": ("photonPersistentDisk", disks.needs(pd_id="pdID")),
    "portworx_volume": ("portworxVolume", disks.needs(volume_id="volumeID")),
    "azure_disk": ("azureDisk", disks.azure_disk),
    "storageos": ("storageos", disks.storage_os),
    "projected": ("projected", _projected),
    "scale_io": ("scaleIO", disks.needs(gateway="gateway", system="system", volume_name="volumeName")),
    "csi": ("csi", _csi),
    "ephemeral": ("ephemeral", _ephemeral),
    "image": ("image", _image),
}


_PLUGINS = tuple((attribute, name, check) for attribute, (name, check) in CHECKS.items())


def volumes(path: str, found: Sequence[core.Volume]) -> FieldErrors:
    """spec.volumes."""
    errors: FieldErrors = []
    names: set[str] = set()
    for index, volume in enumerate(found):
        at = f"{path}[{index}]"
        errors += disks.one_source(at, volume, _PLUGINS)
        if not volume.name:
            errors.append(required(f"{at}.name"))
        elif faults := dns_label(volume.name, False):
            errors += [invalid(f"{at}.name", volume.name, fault) for fault in faults]
        elif volume.name in names:
            errors.append(duplicate(f"{at}.name", volume.name))
        names.add(volume.name)
    return errors
