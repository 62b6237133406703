"""What of a cluster runs, seen from outside: its locks, and what the API server tells its administrator."""

from __future__ import annotations

import http.client
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pilothouse.house import kubeconfig, members, supervision
from pilothouse.house.administrator import request
from pilothouse.house.members import daemons
from pilothouse.house.paths import Paths
from pilothouse.house.pki import AUTHORITY, DAY, PKI
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.take_down import half_removed
from pilothouse.kit import logs
from pilothouse.seams.house import CertificateStatus, ClusterStatus, HouseError, NodeStatus, ProcessStatus

WARN_DAYS = 30


def _ready_condition(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def node_readiness(paths: Paths, spec: ClusterSpec) -> dict[str, bool]:
    """Name to readiness of the Node objects. Raises HouseError."""
    status, body = request(paths, spec, "GET", "/api/v1/nodes")
    if status != http.client.OK:
        raise HouseError(f"the API server answers {status} when asked for nodes")
    return {node["metadata"]["name"]: _ready_condition(node) for node in json.loads(body)["items"]}


def certificates(paths: Paths, spec: ClusterSpec, now: float) -> tuple[CertificateStatus, ...]:
    """When each certificate expires, the authority's first."""
    return tuple(
        CertificateStatus(name, logs.stamp(ends) if ends else "", int((ends - now) // DAY) if ends else 0)
        for name, ends in PKI(paths.pki).expiries(spec)
    )


def certificate_warnings(cluster: str, found: Sequence[CertificateStatus]) -> Iterator[str]:
    """What is said of certificates that expire within WARN_DAYS, have expired or cannot be read."""
    for one in found:
        if one.days >= WARN_DAYS:
            continue
        advice = f"renew it with: pilothouse up --name {cluster}"
        if one.name == AUTHORITY:
            advice = "it cannot be renewed: save what you need, take the cluster down, and bring up a new one"
        if not one.expires:
            yield f"certificate {one.name} is lost or damaged; {advice}"
        else:
            how_long = {0: "within a day", 1: "in 1 day"}.get(one.days, f"in {one.days} days")
            when = f"expires on {one.expires[:10]} ({how_long})" if one.days >= 0 else f"expired on {one.expires[:10]}"
            yield f"certificate {one.name} {when}; {advice}"


def _processes(paths: Paths, running: Mapping[str, bool]) -> Iterator[ProcessStatus]:
    records = supervision.load(paths)
    for name, runs in running.items():
        record = records.get(name, supervision.Record())
        since, last = (logs.stamp(at) if at else "" for at in (record.since, record.last_exit_at))
        state: Literal["running", "stopped"] = "running" if runs else "stopped"
        yield ProcessStatus(name, state, record.restarts, since if runs else "", record.last_exit, last)


def lacking(found: ClusterStatus) -> list[str]:
    """What keeps a cluster from being ready, in words; empty if it is."""
    if found.ready:
        return []
    if found.control_plane != "running":
        return ["the control plane is stopped"]
    bad = [node for node in found.nodes if node.process != "running" or node.ready is False]
    words = [f"{node.name} is {'not ready' if node.process == 'running' else 'stopped'}" for node in bad]
    if not words and any(p.name == members.SUPERVISOR and p.state == "stopped" for p in found.processes):
        return ["the supervisor is stopped"]
    return words or ["the API server does not answer"]


def status(paths: Paths, spec: ClusterSpec, now: float) -> ClusterStatus:
    """The whole picture as of `now` (seconds since the epoch); never raises for what does not run."""
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
    found = certificates(paths, spec, now)
    file = pathlib.Path(spec.kubeconfig.path) if spec.kubeconfig is not None else kubeconfig.path()
    supervised = members.supervisor(paths, spec).pid() is not None
    warnings = list(certificate_warnings(spec.name, found))
    if paths.removing.exists():
        warnings = [half_removed(spec.name)]  # nothing else of it matters any more
    elif not supervised:
        warnings.insert(0, f"the supervisor is stopped: start it with: pilothouse up --name {spec.name}")
    return ClusterStatus(
        name=spec.name,
        runtime=spec.runtime,
        server=spec.server,
        control_plane="running" if running["control-plane"] else "stopped",
        ready=supervised and serving and all(n.ready and n.process == "running" for n in nodes),
        nodes=nodes,
        state_directory=str(paths.state),
        processes=(
            ProcessStatus(members.SUPERVISOR, "running" if supervised else "stopped"),
            *_processes(paths, running),
        ),
        certificates=found,
        warnings=tuple(warnings),
        context=kubeconfig.context_name(spec.name),
        current_context=kubeconfig.current(file),
        kubeconfig="" if file == kubeconfig.path() else str(file),
    )
