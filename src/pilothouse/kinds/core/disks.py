"""Sources of volumes that pods and persistent volumes share: disks, file shares, what their plugins need. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required, too_long
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, longer

Check = Callable[[str, Any], FieldErrors]
ONE_SOURCE = "may not specify more than 1 volume type"
_REFUSED_AS = {"persistentDisk": "gcePersistentDisk", "cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""What upstream calls a source that is refused as a second one, where its own errors have another name."""
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
_DRIVER = 63
_CACHING, _DISK_KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
_MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
_PAIRS = "must be a host:port pair or multiple pairs separated by commas"
_TENANT = "must be a UUID and may not exceed a length of 64 characters"
_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)\Z", re.ASCII),
    "eui": re.compile(r"eui.[A-Za-z0-9]{16}\Z", re.ASCII),
    "naa": re.compile(r"naa.[A-Za-z0-9]{32}\Z", re.ASCII),
}
_INITIATOR = 64
_LONG_INITIATOR = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
    "specified."
)
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*\Z")


def needs(**fields: str) -> Check:
    """A source of which some fields must be there: JSON name by attribute."""

    def check(path: str, source: Any) -> FieldErrors:
        return [required(f"{path}.{name}") for attribute, name in fields.items() if not getattr(source, attribute)]

    return check


def host_path(path: str, source: core.HostPathVolumeSource) -> FieldErrors:
    found = checks.backsteps(f"{path}.path", source.path) if source.path else [required(f"{path}.path")]
    return found + checks.one_of(f"{path}.type", source.type or "", HOST_PATH_TYPES)


def nfs(path: str, source: core.NFSVolumeSource) -> FieldErrors:
    found = needs(server="server", path="path")(path, source)
    if not source.path.startswith("/"):
        found.append(invalid(f"{path}.path", source.path, "must be an absolute path"))
    return found


def partitioned(attribute: str, name: str) -> Check:
    """A disk of a cloud, by its id and the number of a partition."""

    def check(path: str, source: Any) -> FieldErrors:
        found = needs(**{attribute: name})(path, source)
        if not 0 <= source.partition <= 255:
            found.append(invalid(f"{path}.partition", source.partition, checks.between(0, 255)))
        return found

    return check


def _initiator(path: str, name: str, persistent: bool) -> FieldErrors:
    form = _INITIATORS.get(name[:3])
    if form is None:
        return [invalid(path, name, "must be valid format" + ("" if persistent else " starting with iqn, eui, or naa"))]
    found = form.search(name) if form is _INITIATORS["iqn"] else form.match(name)
    return [] if found else [invalid(path, name, "must be valid format")]


def iscsi(path: str, source: core.ISCSIVolumeSource | core.ISCSIPersistentVolumeSource) -> FieldErrors:
    found = needs(target_portal="targetPortal")(path, source)
    persistent = isinstance(source, core.ISCSIPersistentVolumeSource)
    found += _initiator(f"{path}.iqn", source.iqn, persistent) if source.iqn else [required(f"{path}.iqn")]
    if not 0 <= source.lun <= 255:
        found.append(invalid(f"{path}.lun", source.lun, checks.between(0, 255)))
    secret = source.secret_ref
    if (source.chap_auth_discovery or source.chap_auth_session) and secret is None:
        found.append(required(f"{path}.secretRef"))
    if isinstance(secret, core.SecretReference) and not secret.name:
        found.append(required(f"{path}.secretRef.name"))
    if source.initiator_name is not None:
        found += _initiator(f"{path}.initiatorname", source.initiator_name, persistent)
    return found


def iscsi_of(name: str) -> Check:
    """As `iscsi`, of the persistent volume `name`, which becomes part of the initiator's name."""

    def check(path: str, source: core.ISCSIPersistentVolumeSource) -> FieldErrors:
        found = iscsi(path, source)
        portal = source.target_portal
        if source.initiator_name is not None and len(f"{name}:{portal}".encode()) > _INITIATOR:
            found.append(invalid(f"{path}.targetportal", portal, _LONG_INITIATOR))
        return found

    return check


def fibre_channel(path: str, source: core.FCVolumeSource) -> FieldErrors:
    found: FieldErrors = []
    if not source.target_wwns and not source.wwids:
        detail = "must specify either targetWWNs or wwids, but not both"
        found.append(required(f"{path}.targetWWNs", detail))
    if source.target_wwns and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        found.append(invalid(f"{path}.targetWWNs", source.target_wwns, detail))
    if source.target_wwns:
        if source.lun is None:
            found.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        elif not 0 <= source.lun <= 255:
            found.append(invalid(f"{path}.lun", source.lun, checks.between(0, 255)))
    return found


def flocker(path: str, source: core.FlockerVolumeSource) -> FieldErrors:
    found: FieldErrors = []
    if not source.dataset_name and not source.dataset_uuid:
        found.append(required(path, "one of datasetName and datasetUUID is required"))
    if source.dataset_name and source.dataset_uuid:
        detail = "datasetName and datasetUUID can not be specified simultaneously"
        found.append(invalid(path, "resource", detail))
    if "/" in source.dataset_name:
        found.append(invalid(f"{path}.datasetName", source.dataset_name, "must not contain '/'"))
    return found


def quobyte(path: str, source: core.QuobyteVolumeSource) -> FieldErrors:
    found: FieldErrors = []
    if not source.registry:
        found.append(required(f"{path}.registry", _PAIRS))
    elif longer(source.tenant, 64):
        found.append(required(f"{path}.tenant", _TENANT))
    else:
        odd = [pair for pair in source.registry.split(",") if not _HOST_PORT.match(pair)]
        found += [invalid(f"{path}.registry", source.registry, _PAIRS) for _ in odd]
    return found if source.volume else [*found, required(f"{path}.volume")]


def flex(path: str, source: core.FlexVolumeSource | core.FlexPersistentVolumeSource) -> FieldErrors:
    found = needs(driver="driver")(path, source)
    for key in source.options:
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            detail = "kubernetes.io and k8s.io namespaces are reserved"
            found.append(invalid(f"{path}.options[{key}]", key, detail))
    return found


def azure_disk(path: str, source: core.AzureDiskVolumeSource) -> FieldErrors:
    found = needs(disk_name="diskName", disk_uri="diskURI")(path, source)
    if source.caching_mode is not None and source.caching_mode not in _CACHING:
        found.append(not_supported(f"{path}.cachingMode", source.caching_mode, _CACHING))
    kind = source.kind
    if kind is None:
        return found
    if kind not in _DISK_KINDS:
        found.append(not_supported(f"{path}.kind", kind, _DISK_KINDS))
    start, form = ("/subscriptions/", _MANAGED_URI) if kind == "Managed" else ("https://", _BLOB_URI)
    if not source.disk_uri.startswith(start):
        found.append(not_supported(f"{path}.diskURI", source.disk_uri, (form,)))
    return found


def storage_os(path: str, source: core.StorageOSVolumeSource | core.StorageOSPersistentVolumeSource) -> FieldErrors:
    found: FieldErrors = []
    name, namespace, secret = source.volume_name, source.volume_namespace, source.secret_ref
    found += _label(f"{path}.volumeName", name) if name else [required(f"{path}.volumeName")]
    found += _label(f"{path}.volumeNamespace", namespace) if namespace else []
    if secret is not None and not secret.name:
        found.append(required(f"{path}.secretRef.name"))
    if isinstance(secret, core.ObjectReference) and not secret.namespace:
        found.append(required(f"{path}.secretRef.namespace"))
    return found


def cinder(path: str, source: core.CinderVolumeSource | core.CinderPersistentVolumeSource) -> FieldErrors:
    found = needs(volume_id="volumeID")(path, source)
    secret = source.secret_ref
    if secret is not None and not secret.name:
        found.append(required(f"{path}.secretRef.name"))
    if isinstance(secret, core.SecretReference) and not secret.namespace:
        found.append(required(f"{path}.secretRef.namespace"))
    return found


def local(path: str, source: core.LocalVolumeSource) -> FieldErrors:
    return checks.backsteps(f"{path}.path", source.path) if source.path else [required(f"{path}.path")]


def azure_file(path: str, source: core.AzureFilePersistentVolumeSource) -> FieldErrors:
    found = needs(secret_name="secretName", share_name="shareName")(path, source)
    return [*found, required(f"{path}.secretNamespace")] if source.secret_namespace == "" else found


def glusterfs(path: str, source: core.GlusterfsPersistentVolumeSource) -> FieldErrors:
    found = needs(endpoints="endpoints", path="path")(path, source)
    namespace, at = source.endpoints_namespace, f"{path}.endpointsNamespace"
    if namespace == "":
        detail = "if the endpointnamespace is set, it must be a valid namespace name"
        found.append(invalid(at, namespace, detail))
    return found + (_label(at, namespace) if namespace else [])


def driver_name(path: str, name: str) -> FieldErrors:
    """The name of a CSI driver."""
    if not name:
        return [required(path)]
    found = [too_long(path, _DRIVER)] if longer(name, _DRIVER) else []
    return found + [invalid(path, name, fault) for fault in dns_subdomain(name.lower(), False)]


def csi(path: str, source: core.CSIPersistentVolumeSource) -> FieldErrors:
    found = driver_name(f"{path}.driver", source.driver) + needs(volume_handle="volumeHandle")(path, source)
    for name, secret in (
        ("controllerPublishSecretRef", source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", source.controller_expand_secret_ref),
        ("nodePublishSecretRef", source.node_publish_secret_ref),
        ("nodeExpandSecretRef", source.node_expand_secret_ref),
    ):
        if secret is not None:
            found += _secret(f"{path}.{name}", secret)
    return found


def _secret(path: str, secret: core.SecretReference) -> FieldErrors:
    name, namespace = secret.name, secret.namespace
    found = checks.subdomain(f"{path}.name", name) if name else [required(f"{path}.name")]
    return found + (_label(f"{path}.namespace", namespace) if namespace else [required(f"{path}.namespace")])


def _label(path: str, text: str) -> FieldErrors:
    return [invalid(path, text, fault) for fault in dns_label(text, False)]


def one_source(path: str, found: Any, plugins: Sequence[tuple[str, str, Check]]) -> FieldErrors:
    """Errors of the one source that a volume may have; `plugins` are attribute, name in paths and check, in order."""
    errors: FieldErrors = []
    seen = False
    for attribute, name, check in plugins:
        source = getattr(found, attribute)
        if source is None:
            continue
        if seen:
            errors.append(forbidden(f"{path}.{_REFUSED_AS.get(name, name)}", ONE_SOURCE))
        else:
            seen = True
            errors += check(f"{path}.{name}", source)
    return errors if seen else [*errors, required(path, "must specify a volume type")]
