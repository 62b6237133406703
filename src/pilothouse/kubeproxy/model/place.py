"""Where the proxy stands: what of the node and the cluster decides how a Service is reached from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["IPv4", "IPv6"]


@dataclass(frozen=True, slots=True)
class Place:
    """One node in one address family.

    `zone` is the node's `topology.kubernetes.io/zone` ("" if it has none). `pod_cidrs` are the pod networks of the
    whole cluster: traffic for a ClusterIP from elsewhere is masqueraded, and traffic from them counts as internal;
    empty means unknown. `own_addresses` are Service addresses this node answers itself (cluster DNS): never translated.
    What goes to an address of `service_cidrs` that nobody has translated is dropped: it must not leave the cluster.
    """

    node: str
    zone: str = ""
    family: Family = "IPv4"
    pod_cidrs: tuple[str, ...] = ()
    own_addresses: frozenset[str] = frozenset()
    service_cidrs: tuple[str, ...] = ()
