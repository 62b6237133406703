"""The scheduler: one decision on its own, and pods created, decided, bound and told about through the API server.

    python -m bench.scheduling [--nodes 500] [--pods 2000]

Everything runs in this process with the memory store and without HTTP; the reference's figures (create and schedule
2,000 pods, four processes on two cores) stand beside.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import Any

import msgspec
import uvloop

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Node, NodeSpec, Pod, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.assembly import assemble
from pilothouse.apiserver.authn.build import Settings
from pilothouse.apiserver.parts import MASTER, Parts
from pilothouse.kit import jwt, tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.events import Recorder
from pilothouse.machinery.informer import Informers
from pilothouse.scheduler.decide import decide
from pilothouse.scheduler.framework import Cycle, Framework
from pilothouse.scheduler.nominations import Nominations
from pilothouse.scheduler.plugins.balanced_allocation import BalancedAllocation
from pilothouse.scheduler.plugins.image_locality import ImageLocality
from pilothouse.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pilothouse.scheduler.plugins.node_affinity import NodeAffinity
from pilothouse.scheduler.plugins.node_ports import NodePorts
from pilothouse.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pilothouse.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pilothouse.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pilothouse.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.scheduler.runner import Scheduler
from pilothouse.scheduler.snapshot import Profiles, Snapshot
from pilothouse.store.memory import MemoryStore

ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
REFERENCE = {500: 268, 2000: 145}
ALLOCATABLE = {"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
SELECTED = {"labelSelector": {"matchLabels": {"app": "bench"}}}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "spread over zones": {
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", **SELECTED}
        ]
    },
    "away from its kind": {
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": {"topologyKey": HOST, **SELECTED}}
                ]
            }
        }
    },
}


def node(number: int) -> Node:
    name = f"n{number}"
    meta = {"name": name, "labels": {HOST: name, ZONE: f"z{number % 3}"}}
    return from_builtins({"metadata": meta, "status": {"allocatable": ALLOCATABLE}}, Node)


def pod(number: int, **spec: Any) -> Pod:
    requests = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "c", "image": "registry.k8s.io/pause:3.10", "resources": {"requests": requests}}
    meta = {"name": f"p{number}", "namespace": "default", "labels": {"app": "bench"}}
    return from_builtins({"metadata": meta, "spec": {"containers": [container], **spec}}, Pod)


def pure(nodes: int, pods: int) -> None:
    """Decisions alone, each with its pod put on the node."""
    framework = Framework(
        [
            (NodeUnschedulable(), 0),
            (TaintToleration(), 3),
            (NodeAffinity(), 2),
            (NodePorts(), 0),
            (NodeResourcesFit(), 1),
            (PodTopologySpread(), 2),
            (InterPodAffinity(), 2),
            (BalancedAllocation(), 1),
            (ImageLocality(), 1),
        ]
    )
    for kind, spec in KINDS.items():
        snapshot, profiles, chance = Snapshot(), Profiles(), Chance(1)
        for number in range(nodes):
            snapshot.put_node(node(number))
        made = [pod(number, **spec) for number in range(pods)]
        begun = time.perf_counter()
        for one in made:
            info = profiles.info(one)
            found = decide(framework, Cycle(info, snapshot), Nominations(), chance.below)
            snapshot.put_pod(info, found.node)
        spent = (time.perf_counter() - begun) / pods
        print(f"decide, {nodes} nodes, {kind:<20} {spent * 1e6:8.0f} us a pod")


async def whole(nodes: int, pods: int) -> None:
    """Through the API server: create, decide, bind, event."""
    clock, chance, signer = SystemClock(), Chance(), jwt.Signer(tls.new_key())
    authn = Settings(keys=(signer.key,))
    server = assemble(Parts(store=MemoryStore(), clock=clock, chance=chance, authn=authn, signer=signer))
    await server.start()
    client = server.client(MASTER)
    await client.create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
    for number in range(nodes):
        made = await client.create(node(number))
        made = await client.update(msgspec.structs.replace(made, status=node(number).status), subresource="status")
        await client.update(msgspec.structs.replace(made, spec=NodeSpec()))
    own = server.client(UserInfo(username="system:kube-scheduler", groups=("system:authenticated",)))
    async with TaskScope("bench") as scope:
        recorder = Recorder("default-scheduler", own, clock, scope)
        informers = Informers(own, clock, chance, scope)
        scheduler = Scheduler(own, informers, clock, chance, recorder)
        scope.spawn(scheduler.run(), "scheduler")
        await scheduler.wait_ready()
        all_bound, bound = asyncio.Event(), set[str]()

        def changed(old: Pod | None, new: Pod | None) -> None:
            if new is not None and new.spec.node_name:
                bound.add(new.metadata.name)
                if len(bound) == pods:
                    all_bound.set()

        informers.of(Pod).add_handler(changed)
        begun = time.perf_counter()
        for number in range(pods):
            await client.create(pod(number))
        await all_bound.wait()
        spent = time.perf_counter() - begun
    beside = f"(reference {REFERENCE[nodes]})" if nodes in REFERENCE else ""
    print(f"create and schedule, {nodes} nodes {pods / spent:20.0f} pods/s {beside}")
    await server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--pods", type=int, default=2000)
    chosen = parser.parse_args()
    pure(chosen.nodes, chosen.pods)
    uvloop.run(whole(chosen.nodes, chosen.pods))


if __name__ == "__main__":
    main()
