"""Where a storage class can make volumes. Pure."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import Node
from pilothouse.api.types.storage.v1 import StorageClass

NO_PROVISIONER = "kubernetes.io/no-provisioner"


def provisionable_on(storage: StorageClass, node: Node) -> bool:
    """Whether the class can make a volume for the node."""
    if not storage.provisioner or storage.provisioner == NO_PROVISIONER:
        return False
    terms = storage.allowed_topologies
    labels = node.metadata.labels
    return not terms or any(
        all(labels.get(e.key) in (e.values or ()) for e in term.match_label_expressions) for term in terms
    )
