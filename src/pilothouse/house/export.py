"""What somebody needs who looks for the cause of a trouble: logs and state of a cluster in one folder, no secrets."""

from __future__ import annotations

import json
import pathlib
import shutil
from http import HTTPStatus

from pilothouse import KUBERNETES_VERSION, __version__
from pilothouse.house.administrator import request
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.seams.house import ClusterStatus, HouseError

# Where pods' logs lie below a node's state, of real and of simulated nodes.
_POD_LOGS = ("root/var/log/pods", "kubelet/logs", "logs")
# What the API server is asked for. Secrets and ConfigMaps are left out: passwords lie in both.
_ASKED = {
    "nodes": "/api/v1/nodes",
    "pods": "/api/v1/pods",
    "events": "/api/v1/events",
    "services": "/api/v1/services",
    "endpointslices": "/apis/discovery.k8s.io/v1/endpointslices",
    "deployments": "/apis/apps/v1/deployments",
    "metrics": "/metrics",
    "readyz": "/readyz?verbose",
}


def export(paths: Paths, spec: ClusterSpec, status: ClusterStatus, folder: pathlib.Path) -> None:
    """Fill `folder`, which is made if need be. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "version.txt").write_text(f"pilothouse {__version__} (Kubernetes {KUBERNETES_VERSION})\n")
    (folder / "status.json").write_text(json.dumps(status._asdict(), indent=2) + "\n")
    if paths.spec.exists():
        shutil.copyfile(paths.spec, folder / "cluster.json")
    for file in sorted((paths.state / "logs").glob("*.log*")):
        shutil.copyfile(file, folder / file.name)
    for node in spec.nodes:
        _copy_node(paths.node_state(node.name), folder / "nodes" / node.name)
    _ask(paths, spec, folder / "cluster")


def _copy_node(state: pathlib.Path, folder: pathlib.Path) -> None:
    """containerd's log, and those of the containers, in folders named as the kubelet names them."""
    files = [state / "containerd/containerd.log"]
    for logs in _POD_LOGS:
        files += (state / logs).rglob("*.log*")
    for file in files:
        if file.is_file():
            target = folder / file.relative_to(state)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def _ask(paths: Paths, spec: ClusterSpec, folder: pathlib.Path) -> None:
    """What the API server tells; a file that says why if it does not."""
    folder.mkdir(exist_ok=True)
    for name, path in _ASKED.items():
        try:
            code, body = request(paths, spec, "GET", path)
        except HouseError as error:
            (folder / "unreachable.txt").write_text(f"{error}\n")
            return
        plain = code != HTTPStatus.OK or name in ("metrics", "readyz")
        (folder / f"{name}.{'txt' if plain else 'json'}").write_bytes(body)
