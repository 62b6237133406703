"""Which features a node must declare (`status.declaredFeatures`) so that it can run a pod. Pure. KEP-5328.

Follows upstream's component-helpers/nodedeclaredfeatures; features that matter to updates of pods only are not here.
"""

from __future__ import annotations

from pilothouse.api.types.core.v1 import PodSpec
from pilothouse.semantics.container_restarts import could_restart_all

RESTART_ALL_CONTAINERS = "RestartAllContainersOnContainerExits"
HOST_NETWORK_IN_USER_NAMESPACES = "UserNamespacesHostNetworkSupport"


def required_features(spec: PodSpec) -> tuple[str, ...]:
    """The names, sorted."""
    required: list[str] = []
    if could_restart_all(spec):
        required.append(RESTART_ALL_CONTAINERS)
    if spec.host_network and spec.host_users is False:
        required.append(HOST_NETWORK_IN_USER_NAMESPACES)
    return tuple(required)
