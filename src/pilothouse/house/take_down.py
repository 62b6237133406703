"""From a cluster back to nothing."""

from __future__ import annotations

from pilothouse.house import kubeconfig, members
from pilothouse.house.daemon import stop_all
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.steps import Step, run
from pilothouse.seams.house import Progress


def take_down(paths: Paths, spec: ClusterSpec, progress: Progress) -> None:
    """Remove all that the cluster made on this machine but its directories, in an order in which nobody misses what is
    gone already. Raises HouseError."""

    def stop() -> bool:
        members.supervisor(paths, spec).stop()  # before it takes our work for an accident
        first, *nodes = members.daemons(paths, spec)
        stop_all([*nodes, first])
        # One that a command started which was killed may take its lock only now: without the spec it ends by itself.
        paths.spec.unlink(missing_ok=True)
        stop_all([*nodes, first])
        return True

    def kubectl() -> bool:
        if spec.kubeconfig is not None:
            kubeconfig.remove(spec.name, spec.kubeconfig)
        return True

    def network() -> bool:
        from pilothouse.house import machine

        for node in spec.nodes:
            machine.remove_node_runtime(paths, spec, node)
        machine.remove_network(paths, spec)
        return True

    steps = [Step("switch kubectl back", kubectl), Step("stop the processes", stop)]
    if spec.runtime == "containerd":
        steps.append(Step("remove containers and network", network))
    run(steps, progress)
