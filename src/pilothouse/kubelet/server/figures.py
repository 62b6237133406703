"""The kubelet's own metrics."""

from __future__ import annotations

from pilothouse.kit.metrics import Registry
from pilothouse.kubelet.server.host import Host


def declare(registry: Registry, host: Host) -> None:
    """The kubelet's own metrics, read when somebody looks."""

    def states() -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for held in host.held():
            for container in held.state.containers.values():
                state = (container.state.name.lower(),)
                found[state] = found.get(state, 0) + 1
        return found

    def sandboxes() -> dict[tuple[str, ...], float]:
        return {(): float(sum(held.state.sandbox() is not None for held in host.held()))}

    registry.read(
        "kubelet_node_name", "The node's name. The count is always 1.", lambda: {(host.node_name,): 1}, ("node",)
    )
    registry.read(
        "kubelet_terminated_containers_total",
        "Cumulative number of containers that ended, by kind of container, exit code and reason.",
        lambda: dict(host.terminations()),
        ("container_type", "exit_code", "reason"),
        "counter",
    )
    registry.read("kubelet_running_pods", "Number of pods that have a running pod sandbox", sandboxes)
    registry.read("kubelet_running_containers", "Number of containers by state", states, ("container_state",))
