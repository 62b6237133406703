"""From a cluster back to nothing."""

from __future__ import annotations

import shutil

from pilothouse.house import kubeconfig, members
from pilothouse.house.daemon import stop_all
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.steps import Step, run
from pilothouse.seams.house import Progress


def half_removed(name: str) -> str:
    """What is said of a cluster whose `down` did not come to its end."""
    return f"cluster {name} is half removed: `pilothouse down --name {name}` finishes it"


def take_down(paths: Paths, spec: ClusterSpec, progress: Progress) -> None:
    """Remove all that the cluster made on this machine, in an order in which nobody misses what is gone already: its
    spec last, so that it is known until it is gone. Raises HouseError, and KeyboardInterrupt with a sentence."""

    def stop() -> bool:
        paths.state.mkdir(parents=True, exist_ok=True)  # of a damaged cluster it may be gone
        try:
            paths.removing.touch()
        except OSError:  # the disk is full: then its spec goes now, and `down` knows it by the copy
            paths.spec.unlink(missing_ok=True)
        members.supervisor(paths, spec).stop()  # before it takes our work for an accident
        first, *nodes = members.daemons(paths, spec)
        stop_all([*nodes, first])
        # One that a command started which was killed may take its lock only now: it sees the mark, and ends by itself.
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

    def files() -> bool:
        last = (paths.spec_copy, paths.spec, paths.removing)
        shutil.rmtree(paths.run, ignore_errors=True)
        for entry in paths.state.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry not in last:
                entry.unlink(missing_ok=True)
        for file in last:
            file.unlink(missing_ok=True)
        shutil.rmtree(paths.state, ignore_errors=True)
        return True

    steps = [Step("switch kubectl back", kubectl), Step("stop the processes", stop)]
    if spec.runtime == "containerd":
        steps.append(Step("remove containers and network", network))
    steps.append(Step("remove its files", files))
    run(steps, progress, interrupted=half_removed(spec.name))
