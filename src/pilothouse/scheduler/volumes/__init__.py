"""What the volume plugins know about claims, volumes and classes. Pure but for what is read from informers."""

from pilothouse.scheduler.volumes.catalog import VolumeCatalog, is_bound, pod_claims
from pilothouse.scheduler.volumes.provisioning import provisionable_on

__all__ = [
    "VolumeCatalog",
    "is_bound",
    "pod_claims",
    "provisionable_on",
]
