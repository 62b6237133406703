"""Pure: what the cluster's DNS says, from Services, EndpointSlices and Namespaces. No I/O, no clock."""

from pilothouse.dns.zone.directory import Directory
from pilothouse.dns.zone.zone import Zone

__all__ = ["Directory", "Zone"]
