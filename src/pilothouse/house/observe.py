"""What of a cluster runs, seen from outside: its locks, and what the API server tells its administrator."""

from __future__ import annotations

import http.client
import json
from typing import Any

from pilothouse.house.administrator import request
from pilothouse.house.members import daemons
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.seams.house import ClusterStatus, HouseError, NodeStatus


def _ready_condition(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def node_readiness(paths: Paths, spec: ClusterSpec) -> dict[str, bool]:
    """Name to readiness of the Node objects. Raises HouseError."""
    status, body = request(paths, spec, "GET", "/api/v1/nodes")
    if status != http.client.OK:
        raise HouseError(f"the API server answers {status} when asked for nodes")
    return {node["metadata"]["name"]: _ready_condition(node) for node in json.loads(body)["items"]}


def status(paths: Paths, spec: ClusterSpec) -> ClusterStatus:
    """The whole picture; never raises for what does not run."""
    running = {daemon.name: daemon.pid() is not None for daemon in daemons(paths, spec)}
    readiness: dict[str, bool] | None = None
    serving = False
    if running["control-plane"]:
        try:
            serving = request(paths, spec, "GET", "/readyz")[0] == http.client.OK
            readiness = node_readiness(paths, spec)
        except HouseError:
            readiness = None
    simulated = spec.runtime == "simulated"
    nodes = tuple(
        NodeStatus(
            name=node.name,
            address=spec.node_address(node),
            process="running" if running.get(node.name, simulated and running["control-plane"]) else "stopped",
            ready=readiness.get(node.name, False) if readiness is not None else None,
        )
        for node in spec.nodes
    )
    return ClusterStatus(
        name=spec.name,
        runtime=spec.runtime,
        server=spec.server,
        control_plane="running" if running["control-plane"] else "stopped",
        ready=serving and all(n.ready and n.process == "running" for n in nodes),
        nodes=nodes,
        state_directory=str(paths.state),
    )
