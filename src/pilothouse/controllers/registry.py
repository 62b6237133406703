"""All controllers of the control plane, by upstream's names. One line a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from pilothouse.controllers import (
    account_tokens,
    bootstrap_tokens,
    cluster_roles,
    deployment,
    disruption,
    garbage,
    namespace,
    node_ttl,
    pod_gc,
    replicas,
    root_ca,
    service_accounts,
    service_cidrs,
    stale_disruption,
)
from pilothouse.controllers.certificates import control as certificates
from pilothouse.controllers.cronjob import shell as cronjob
from pilothouse.controllers.daemonset import shell as daemonset
from pilothouse.controllers.endpoints import mirroring, objects, slices
from pilothouse.controllers.environment import Environment
from pilothouse.controllers.job import orphans as job_orphans
from pilothouse.controllers.job import shell as job
from pilothouse.controllers.job import ttl as job_ttl
from pilothouse.controllers.nodes import eviction, lifecycle, ranges
from pilothouse.controllers.quota import shell as quota
from pilothouse.controllers.statefulset import shell as statefulset
from pilothouse.controllers.volumes import binder, class_protection, ephemeral, protection
from pilothouse.machinery.controller import Controller


class Runnable(Protocol):
    """A built controller: a Controller, or one that keeps its own company around it."""

    @property
    def controller(self) -> Controller[Any]: ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class ControllerDescriptor(NamedTuple):
    name: str
    build: Callable[[Environment], Any]


CONTROLLERS: tuple[ControllerDescriptor, ...] = (
    ControllerDescriptor("serviceaccount-controller", service_accounts.build),
    ControllerDescriptor("serviceaccount-token-controller", account_tokens.build),
    ControllerDescriptor("root-ca-certificate-publisher-controller", root_ca.build),
    ControllerDescriptor("namespace-controller", namespace.build),
    ControllerDescriptor("replicaset-controller", replicas.build_replica_sets),
    ControllerDescriptor("replicationcontroller-controller", replicas.build_replication_controllers),
    ControllerDescriptor("deployment-controller", deployment.build),
    ControllerDescriptor("daemonset-controller", daemonset.build),
    ControllerDescriptor("statefulset-controller", statefulset.build),
    ControllerDescriptor("job-controller", job.build),
    ControllerDescriptor("job-orphans-controller", job_orphans.build),
    ControllerDescriptor("cronjob-controller", cronjob.build),
    ControllerDescriptor("ttl-after-finished-controller", job_ttl.build),
    ControllerDescriptor("disruption-controller", disruption.build),
    ControllerDescriptor("stale-pod-disruption-controller", stale_disruption.build),
    ControllerDescriptor("resourcequota-controller", quota.build),
    ControllerDescriptor("clusterrole-aggregation-controller", cluster_roles.build),
    ControllerDescriptor("certificatesigningrequest-approving-controller", certificates.build_approving),
    ControllerDescriptor("certificatesigningrequest-signing-controller", certificates.build_signing),
    ControllerDescriptor("certificatesigningrequest-cleaner-controller", certificates.build_cleaning),
    ControllerDescriptor("persistentvolume-binder-controller", binder.build),
    ControllerDescriptor("persistentvolumeclaim-protection-controller", protection.build_claims),
    ControllerDescriptor("persistentvolume-protection-controller", protection.build_volumes),
    ControllerDescriptor("volumeattributesclass-protection-controller", class_protection.build),
    ControllerDescriptor("ephemeral-volume-controller", ephemeral.build),
    ControllerDescriptor("service-cidr-controller", service_cidrs.build),
    ControllerDescriptor("ttl-controller", node_ttl.build),
    ControllerDescriptor("token-cleaner-controller", bootstrap_tokens.build_cleaner),
    ControllerDescriptor("bootstrap-signer-controller", bootstrap_tokens.build_signer),
    ControllerDescriptor("garbage-collector-controller", garbage.build),
    ControllerDescriptor("node-ipam-controller", ranges.build),
    ControllerDescriptor("node-lifecycle-controller", lifecycle.build),
    ControllerDescriptor("taint-eviction-controller", eviction.build),
    ControllerDescriptor("pod-garbage-collector-controller", pod_gc.build),
    ControllerDescriptor("endpointslice-controller", slices.build),
    ControllerDescriptor("endpoints-controller", objects.build),
    ControllerDescriptor("endpointslice-mirroring-controller", mirroring.build),
)


def start(env: Environment, only: Iterable[str] | None = None) -> Sequence[Controller[Any]]:
    """Build the controllers (all, or those of `only`) and run them in the environment's scope; answers their shells."""
    chosen = None if only is None else set(only)
    running: list[Controller[Any]] = []
    for entry in CONTROLLERS:
        if chosen is None or entry.name in chosen:
            built: Runnable = entry.build(env)
            env.scope.spawn(built.run(), entry.name)
            running.append(built.controller)
    return running
