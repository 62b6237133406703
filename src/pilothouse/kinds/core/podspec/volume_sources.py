"""Volumes: one source each, and what each source needs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pilothouse.api.field_errors import FieldErrors, all_invalid, duplicate, forbidden, invalid, required
from pilothouse.api.go_text import quote
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core import claims, disks
from pilothouse.kinds.core.disks import Check
from pilothouse.kinds.core.podspec import checks, env
from pilothouse.semantics.validation import meta as metadata
from pilothouse.semantics.validation import selectors
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

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

    def take(self, path: str, shown: str) -> FieldErrors:
        if path in self._taken:
            return [invalid(self._path, shown, "conflicting duplicate paths")]
        self._taken.add(path)
        return []


def _projected(path: str, source: core.ProjectedVolumeSource) -> FieldErrors:
    found = _mode(f"{path}.defaultMode", source.default_mode)
    taken = _Paths(path)
    for index, one in enumerate(source.sources or ()):
        found += _projection(path, f"{path}.sources[{index}]", one, taken)
    return found


def _projection(path: str, at: str, one: core.VolumeProjection, taken: _Paths) -> FieldErrors:
    """One source of the projected volume at `path`."""
    found: FieldErrors = []
    for kind, projection in (("secret", one.secret), ("configMap", one.config_map)):
        if projection is None:
            continue
        if not projection.name:
            found.append(required(f"{at}.{kind}.name"))
        found += _items(f"{at}.{kind}", projection.items)
        found += checks.flat(taken.take(item.path, projection.name) for item in projection.items if item.path)
    for file in one.downward_api.items if one.downward_api is not None else ():
        found += _downward_file(f"{at}.downwardAPI", file)
        found += taken.take(file.path, file.path) if file.path else []
    if one.service_account_token is not None:
        found += _token(path, at, one.service_account_token)
    if (bundle := one.cluster_trust_bundle) is not None:
        found += _bundle(f"{at}.clusterTrustBundle", bundle) + taken.take(bundle.path, bundle.path)
    sources = (one.secret, one.config_map, one.downward_api, one.service_account_token, one.cluster_trust_bundle)
    if sum(1 for given in sources if given is not None) > 1:
        found.append(forbidden(at, "may not specify more than 1 volume type per source"))
    return found


def _token(path: str, at: str, token: core.ServiceAccountTokenProjection) -> FieldErrors:
    found: FieldErrors = []
    where, seconds = f"{at}.serviceAccountToken.expirationSeconds", token.expiration_seconds
    if seconds is not None and seconds < 600:
        found.append(invalid(where, seconds, "may not specify a duration less than 10 minutes"))
    elif seconds is not None and seconds > 1 << 32:
        found.append(invalid(where, seconds, "may not specify a duration larger than 2^32 seconds"))
    return found + (checks.non_reserved(f"{path}.path", token.path) if token.path else [required(f"{path}.path")])


def _bundle(path: str, bundle: core.ClusterTrustBundleProjection) -> FieldErrors:
    found: FieldErrors = []
    if bundle.name is not None and bundle.signer_name is not None:
        found.append(invalid(path, bundle, "only one of name and signerName may be used"))
    elif bundle.name is None and bundle.signer_name is None:
        found.append(required(path, "either name or signerName must be specified"))
    elif bundle.name == "":
        found.append(required(f"{path}.name", "must be a valid object name"))
    elif bundle.signer_name == "":
        found.append(required(f"{path}.signerName", "must be a valid signer name"))
    if bundle.name is not None and bundle.signer_name is None and bundle.label_selector is not None:
        detail = "labelSelector must be unset if name is specified"
        found.append(invalid(f"{path}.labelSelector", bundle.label_selector, detail))
    if bundle.signer_name is not None and bundle.name is None and bundle.label_selector is not None:
        found += selectors.label_selector(f"{path}.labelSelector", bundle.label_selector)
    return found + (checks.non_reserved(f"{path}.path", bundle.path) if bundle.path else [required(f"{path}.path")])


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
    return checks.one_of(f"{path}.pullPolicy", source.pull_policy, PULL_POLICIES, empty_is="required")


def _named_image(path: str, source: core.ImageVolumeSource) -> FieldErrors:
    """In a pod the image must be named; a template may leave it to somebody."""
    found = [] if source.reference else [required(f"{path}.reference")]
    return found + _image(path, source)


CHECKS: Mapping[str, tuple[str, Check]] = {
    "empty_dir": ("emptyDir", _empty_dir),
    "host_path": ("hostPath", disks.host_path),
    "git_repo": ("gitRepo", _git_repo),
    "gce_persistent_disk": ("persistentDisk", disks.partitioned("pd_name", "pdName")),
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


_TEMPLATE_PLUGINS = tuple((attribute, name, check) for attribute, (name, check) in CHECKS.items())
_POD_PLUGINS = (*_TEMPLATE_PLUGINS[:-1], ("image", "image", _named_image))


def volumes(path: str, found: Sequence[core.Volume], *, template: bool) -> tuple[FieldErrors, dict[str, core.Volume]]:
    """Errors of spec.volumes, and the good volumes by name: only they can be mounted."""
    errors: FieldErrors = []
    good: dict[str, core.Volume] = {}
    for index, volume in enumerate(found):
        at = f"{path}[{index}]"
        own = disks.one_source(at, volume, _TEMPLATE_PLUGINS if template else _POD_PLUGINS)
        if volume.iscsi is not None and volume.iscsi.initiator_name is not None:
            own += _portal(at, volume.name, volume.iscsi)
        own += all_invalid(f"{at}.name", volume.name, dns_label(volume.name, False)) if volume.name else []
        if not volume.name:
            own.append(required(f"{at}.name"))
        if volume.name in good:
            own.append(duplicate(f"{at}.name", volume.name))
        if not own:
            good[volume.name] = volume
        errors += own
    return errors, good


def _portal(path: str, name: str, source: core.ISCSIVolumeSource) -> FieldErrors:
    """The name of the interface that a node makes for an initiator of the volume's own."""
    if len(f"{name}:{source.target_portal}".encode()) <= 64:
        return []
    detail = (
        "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
        "specified."
    )
    return [invalid(f"{path}.name", name, detail)]


def claims_of(path: str, pod: str, found: Sequence[core.Volume]) -> FieldErrors:
    """The claims that are made for the volumes of `pod`: their names, and that nobody asks for them by name."""
    made = {f"{pod}-{volume.name}" for volume in found if volume.ephemeral is not None}
    errors: FieldErrors = []
    for index, volume in enumerate(found) if made else ():
        at, claim = f"{path}[{index}]", volume.persistent_volume_claim
        if volume.ephemeral is not None and volume.name:
            name = f"{pod}-{volume.name}"
            told = f"PVC name {quote(name)}: "
            errors += [invalid(f"{at}.name", volume.name, told + fault) for fault in dns_subdomain(name, False)]
        if claim is not None and claim.claim_name in made:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim.claim_name, detail))
    return errors
