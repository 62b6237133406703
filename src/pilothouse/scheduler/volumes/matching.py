"""Whether a volume suits a claim and a node. Pure."""

from __future__ import annotations

from pilothouse.api.quantity import ZERO
from pilothouse.api.selectors import of_object
from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim
from pilothouse.api.types.storage.v1 import StorageClass
from pilothouse.semantics.node_affinity import selector_matches

NO_PROVISIONER = "kubernetes.io/no-provisioner"


def fits_node(volume: PersistentVolume, node: Node) -> bool:
    """Whether the volume can be reached from the node."""
    affinity = volume.spec.node_affinity
    if affinity is None or affinity.required is None:
        return True
    return selector_matches(affinity.required, node.metadata.labels, node.metadata.name)


def matches_claim(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Whether a free volume (or one that was put aside for the claim) could serve the claim."""
    spec, wanted = volume.spec, claim.spec
    reference = spec.claim_ref
    if reference is not None:
        same = (reference.namespace, reference.name) == (claim.metadata.namespace, claim.metadata.name)
        if not same or reference.uid not in ("", claim.metadata.uid):
            return False
    elif volume.status.phase not in ("", "Available"):
        return False
    if volume.metadata.deletion_timestamp is not None:
        return False
    if spec.storage_class_name != (wanted.storage_class_name or ""):
        return False
    if (spec.volume_mode or "Filesystem") != (wanted.volume_mode or "Filesystem"):
        return False
    if not set(wanted.access_modes) <= set(spec.access_modes):
        return False
    if wanted.selector is not None and not of_object(wanted.selector).matches(volume.metadata.labels):
        return False
    return spec.capacity.get("storage", ZERO) >= wanted.resources.requests.get("storage", ZERO)


def provisionable_on(storage: StorageClass, node: Node) -> bool:
    """Whether the class can make a volume for the node."""
    if not storage.provisioner or storage.provisioner == NO_PROVISIONER:
        return False
    terms = storage.allowed_topologies
    labels = node.metadata.labels
    return not terms or any(
        all(labels.get(e.key) in (e.values or ()) for e in term.match_label_expressions) for term in terms
    )
