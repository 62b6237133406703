"""The cgroups of a node's pods by class of service: what each class has of the processor when it is short.

    kubepods             all pods: what the node may give
    kubepods/burstable   the sum of what burstable pods ask for
    kubepods/besteffort  next to nothing
    kubepods/podUID      a guaranteed pod, beside the classes

Upstream: the container manager's qosContainerManager. Blocking: run in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet import cgroups
from pilothouse.kubelet.resources import MIN_SHARES, milli, shares
from pilothouse.seams.runtime import Resources
from pilothouse.semantics.requests import BURSTABLE, compute_qos, spec_requests


def burstable_request(pod: Pod) -> int:
    """Thousandths of a core that the pod adds to its class; 0 for one of another class."""
    if (pod.status.qos_class or compute_qos(pod.spec)) != BURSTABLE:
        return 0
    return milli(spec_requests(pod.spec).get("cpu", Decimal(0)))


class QosCgroups:
    """Those of one node, below the cgroup `parent`. `capacity` is what its pods may have in all."""

    def __init__(self, parent: str, capacity: Mapping[str, Quantity]) -> None:
        self._parent = f"{parent}/kubepods"
        self._capacity = capacity
        self._requests: dict[str, int] = {}
        self._applied: dict[str, Resources] = {}

    def begin(self) -> bool:
        """Make the cgroups before the first pod is there; whether the kernel holds all pods to the node's memory."""
        self._apply()
        return cgroups.memory_limit(self._parent) == self._capacity["memory"].integer()

    def put(self, pod: Pod) -> None:
        """The pod runs here, with what it asks for now. Makes the cgroups that its own goes below."""
        self._requests[pod.metadata.uid] = burstable_request(pod)
        self._apply()

    def drop(self, uid: str) -> None:
        """The pod is over."""
        if self._requests.pop(uid, None) is not None:
            self._apply()

    def _apply(self) -> None:
        memory = self._capacity["memory"].integer()
        wanted = {
            self._parent: Resources(cpu_shares=shares(self._capacity["cpu"].milli()), memory_limit=memory),
            f"{self._parent}/burstable": Resources(cpu_shares=shares(sum(self._requests.values()))),
            f"{self._parent}/besteffort": Resources(cpu_shares=MIN_SHARES),
        }
        for path, resources in wanted.items():
            if self._applied.get(path) != resources:
                cgroups.apply(path, resources)
                self._applied[path] = resources
