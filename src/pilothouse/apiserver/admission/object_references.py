"""The objects of the API that a pod's spec names: what a pod that a node makes by itself must not have. Pure."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Pod, Volume, VolumeProjection
from pilothouse.apiserver.authz.nodegraph import configmap_names, secret_names

# A source that names an object, to what it names.
VOLUMES = {
    "config_map": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistent_volume_claim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azure_file": "secrets (via azureFile volumes)",
}
PROJECTIONS = {
    "config_map": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "service_account_token": "serviceaccounts (via projected volumes)",
    "cluster_trust_bundle": "clustertrustbundles",
    "pod_certificate": "podcertificates",
}
# Every other source is let in by name: one that comes to be is refused until it is known to name nothing.
FREE_VOLUMES = frozenset(
    {
        "aws_elastic_block_store",
        "azure_disk",
        "cephfs",
        "cinder",
        "downward_api",
        "empty_dir",
        "fc",
        "flex_volume",
        "flocker",
        "gce_persistent_disk",
        "git_repo",
        "host_path",
        "image",
        "iscsi",
        "nfs",
        "photon_persistent_disk",
        "portworx_volume",
        "quobyte",
        "rbd",
        "scale_io",
        "storageos",
        "vsphere_volume",
    }
)
FREE_PROJECTIONS = frozenset({"downward_api"})


class UnknownSource(Exception):
    """A volume of which nobody can tell what it names."""


def referenced(pod: Pod) -> str:
    """The resource of the first object that the pod names, as upstream's `HasAPIObjectReference` tells it; empty if it
    names none. Raises UnknownSource."""
    if pod.spec.service_account_name:
        return "serviceaccounts"
    if any(secret_names(pod)):
        return "secrets"
    if any(configmap_names(pod)):
        return "configmaps"
    if pod.spec.resource_claims:
        return "resourceclaims"
    return next(filter(None, map(_by_volume, pod.spec.volumes)), "")


def _by_volume(volume: Volume) -> str:
    sources = _sources(volume)
    if sources & FREE_VOLUMES:
        return ""
    named = next((text for source, text in VOLUMES.items() if source in sources), "")
    if named:
        return named
    if volume.projected is None:
        raise UnknownSource(f'unknown volume type for volume  "{volume.name}"')
    return next(filter(None, (_by_projection(volume, p) for p in volume.projected.sources or ())), "")


def _by_projection(volume: Volume, projection: VolumeProjection) -> str:
    sources = _sources(projection)
    named = next((text for source, text in PROJECTIONS.items() if source in sources), "")
    if not named and not sources & FREE_PROJECTIONS:
        raise UnknownSource(f'unknown source for projected volume "{volume.name}"')
    return named


def _sources(held: Volume | VolumeProjection) -> set[str]:
    return {name for name in held.__struct_fields__ if name != "name" and getattr(held, name) is not None}
