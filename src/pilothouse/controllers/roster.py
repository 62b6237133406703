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


class Entry(NamedTuple):
    name: str
    build: Callable[[Environment], Any]


ROSTER: tuple[Entry, ...] = (
    Entry("serviceaccount-controller", service_accounts.build),
    Entry("serviceaccount-token-controller", account_tokens.build),
    Entry("root-ca-certificate-publisher-controller", root_ca.build),
    Entry("namespace-controller", namespace.build),
    Entry("replicaset-controller", replicas.build_replica_sets),
    Entry("replicationcontroller-controller", replicas.build_replication_controllers),
    Entry("deployment-controller", deployment.build),
    Entry("daemonset-controller", daemonset.build),
    Entry("statefulset-controller", statefulset.build),
    Entry("job-controller", job.build),
    Entry("job-orphans-controller", job_orphans.build),
    Entry("cronjob-controller", cronjob.build),
    Entry("ttl-after-finished-controller", job_ttl.build),
    Entry("disruption-controller", disruption.build),
    Entry("stale-pod-disruption-controller", stale_disruption.build),
    Entry("resourcequota-controller", quota.build),
    Entry("clusterrole-aggregation-controller", cluster_roles.build),
    Entry("certificatesigningrequest-approving-controller", certificates.build_approving),
    Entry("certificatesigningrequest-signing-controller", certificates.build_signing),
    Entry("certificatesigningrequest-cleaner-controller", certificates.build_cleaning),
    Entry("persistentvolume-binder-controller", binder.build),
    Entry("persistentvolumeclaim-protection-controller", protection.build_claims),
    Entry("persistentvolume-protection-controller", protection.build_volumes),
    Entry("volumeattributesclass-protection-controller", class_protection.build),
    Entry("ephemeral-volume-controller", ephemeral.build),
    Entry("service-cidr-controller", service_cidrs.build),
    Entry("ttl-controller", node_ttl.build),
    Entry("token-cleaner-controller", bootstrap_tokens.build_cleaner),
    Entry("bootstrap-signer-controller", bootstrap_tokens.build_signer),
    Entry("garbage-collector-controller", garbage.build),
    Entry("node-ipam-controller", ranges.build),
    Entry("node-lifecycle-controller", lifecycle.build),
    Entry("taint-eviction-controller", eviction.build),
    Entry("pod-garbage-collector-controller", pod_gc.build),
    Entry("endpointslice-controller", slices.build),
    Entry("endpoints-controller", objects.build),
    Entry("endpointslice-mirroring-controller", mirroring.build),
)


def start(env: Environment, only: Iterable[str] | None = None) -> Sequence[Controller[Any]]:
    """Build the controllers (all, or those of `only`) and run them in the environment's scope; answers their shells."""
    chosen = None if only is None else set(only)
    running: list[Controller[Any]] = []
    for entry in ROSTER:
        if chosen is None or entry.name in chosen:
            built: Runnable = entry.build(env)
            env.scope.spawn(built.run(), entry.name)
            running.append(built.controller)
    return running
