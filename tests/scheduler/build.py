"""Nodes, pods and a framework without an API."""

from __future__ import annotations

from typing import Any

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.selectors import LabelSelector
from pilothouse.api.types.core.v1 import Node, PersistentVolume, PersistentVolumeClaim, Pod
from pilothouse.api.types.storage.v1 import CSINode, StorageClass
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.scheduler.decide import Decision, decide
from pilothouse.scheduler.framework import Cycle, Framework
from pilothouse.scheduler.nominations import Nominations
from pilothouse.scheduler.plugins.registry import Surroundings, default_framework
from pilothouse.scheduler.snapshot import PodInfo, Profiles, Snapshot

Tree = dict[str, Any]


def node(
    name: str, labels: Tree | None = None, *, cpu: str = "4", memory: str = "8Gi", pods: str = "110", **more: Any
) -> Node:
    allocatable = {"cpu": cpu, "memory": memory, "pods": pods, **more.pop("allocatable", {})}
    meta = {"name": name, "uid": f"node-{name}", "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    status = {"allocatable": allocatable, **more.pop("status", {})}
    return from_builtins({"metadata": meta, "spec": more, "status": status}, Node)


def pod(name: str, labels: Tree | None = None, *, cpu: str = "", memory: str = "", on: str = "", **spec: Any) -> Pod:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v} | spec.pop("requests", {})
    container = {"name": "c", "image": spec.pop("image", "app:1"), "resources": {"requests": requests}}
    container["ports"] = spec.pop("ports", [])
    meta = {"name": name, "namespace": spec.pop("namespace", "default"), "uid": f"uid-{name}", "labels": labels or {}}
    meta |= spec.pop("meta", {})
    status = spec.pop("status", {})
    body = {"containers": [container], "nodeName": on, "schedulerName": "default-scheduler", **spec}
    return from_builtins({"metadata": meta, "spec": body, "status": status}, Pod)


class Catalog:
    """Volumes from dicts."""

    def __init__(self, *objects: Any) -> None:
        self.claims = {
            (o.metadata.namespace, o.metadata.name): o for o in objects if isinstance(o, PersistentVolumeClaim)
        }
        self.held = {o.metadata.name: o for o in objects if isinstance(o, PersistentVolume)}
        self.classes = {o.metadata.name: o for o in objects if isinstance(o, StorageClass)}
        self.nodes = {o.metadata.name: o for o in objects if isinstance(o, CSINode)}

    def claim(self, namespace: str, name: str) -> PersistentVolumeClaim | None:
        return self.claims.get((namespace, name))

    def volume(self, name: str) -> PersistentVolume | None:
        return self.held.get(name)

    def volumes(self) -> list[PersistentVolume]:
        return list(self.held.values())

    def storage_class(self, name: str) -> StorageClass | None:
        return self.classes.get(name)

    def storage_node(self, name: str) -> CSINode | None:
        return self.nodes.get(name)


class World:
    """A snapshot with a framework; `place` decides and assumes."""

    def __init__(self, *objects: Any, catalog: Catalog | None = None, selector: LabelSelector | None = None) -> None:
        self.snapshot = Snapshot()
        self.profiles = Profiles()
        self.chance = Chance(7)
        self.nominations = Nominations()
        surroundings = Surroundings(
            None,
            SystemClock(),
            self.chance,
            None,
            self.nominations,
            catalog or Catalog(),
            lambda: (),
            lambda pod: selector,
        )
        self.framework: Framework = default_framework(surroundings)
        for found in objects:
            self.put(found)

    def put(self, found: Any) -> None:
        if isinstance(found, Node):
            self.snapshot.put_node(found)
        else:
            self.snapshot.put_pod(self.info(found), found.spec.node_name)

    def info(self, found: Pod) -> PodInfo:
        return self.profiles.info(found)

    def decide(self, found: Pod) -> Decision:
        return decide(self.framework, Cycle(self.info(found), self.snapshot), self.nominations, self.chance.below)

    def message(self, found: Pod) -> str:
        decision = self.decide(found)
        return decision.diagnosis.message() if decision.diagnosis else f"-> {decision.node}"

    def scores(self, plugin: str, found: Pod) -> dict[str, float]:
        """What one plugin gives each node; empty if it skips the pod."""
        cycle, view, held = Cycle(self.info(found), self.snapshot), self.snapshot.view(), self.framework.plugins[plugin]
        if hasattr(held, "pre_score") and not held.pre_score(cycle, view):
            return {}
        points = held.score(cycle, view)
        return {record.name: float(points[record.row]) for record in self.snapshot.records}
