"""What the volume plugins know about claims, volumes and classes. Pure but for what is read from informers."""

from pilothouse.scheduler.volumes.catalog import VolumeCatalog, default_class, is_bound, pod_claims
from pilothouse.scheduler.volumes.matching import fits_node, matches_claim, provisionable_on

__all__ = [
    "VolumeCatalog",
    "default_class",
    "fits_node",
    "is_bound",
    "matches_claim",
    "pod_claims",
    "provisionable_on",
]
