"""The figures of a real node's kernel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.resources import cgroup_of
from pilothouse.kubelet.stats import cgroups, machine
from pilothouse.kubelet.stats.model import Interface, NodeUsage, Usage
from pilothouse.seams.runtime import Container


class NodeSource:
    """Implements `collector.Source`. The node's CPU and processes are those of its cgroup, since the machine may carry
    other nodes; its memory is the machine's, since that is what runs out."""

    def __init__(self, options: NodeOptions, started_at: float) -> None:
        self._options = options
        self._started_at = started_at

    def pod(self, pod: Pod, now: float) -> Usage | None:
        return cgroups.read(cgroup_of(self._options.cgroup_parent, pod), now)

    def container(self, pod: Pod, container: Container, now: float) -> Usage | None:
        return cgroups.read(f"{cgroup_of(self._options.cgroup_parent, pod)}/{container.id}", now)

    def network(self, pod: Pod) -> Sequence[Interface]:
        if pod.spec.host_network:
            return ()
        return next(filter(None, map(machine.interfaces, self._processes(pod))), [])

    def _processes(self, pod: Pod) -> list[int]:
        """A process of each of the pod's containers: all are in its network."""
        parent = cgroup_of(self._options.cgroup_parent, pod)
        found = []
        for container in pod.status.container_statuses:
            identity = container.container_id.rpartition("/")[2]
            found += cgroups.processes(f"{parent}/{identity}")[:1] if identity else []
        return found

    def node(self, now: float) -> NodeUsage:
        memory, swap = machine.memory(now)
        used = cgroups.read(self._options.cgroup_parent, now) or Usage()
        root = str(self._options.root if self._options.root.exists() else "/")
        return NodeUsage(
            name=self._options.name,
            started_at=self._started_at,
            usage=replace(used, memory=memory, swap=swap),
            network=machine.interfaces(),
            fs=machine.filesystem(root, now),
            processes_limit=machine.processes_limit(),
            cores=os.cpu_count() or 1,
            memory_capacity=(memory.available or 0) + memory.working_set,
        )
