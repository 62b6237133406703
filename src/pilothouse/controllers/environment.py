"""What every controller is given: its client, the shared informers, time and chance, the cluster's settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.client.interface import Client
from pilothouse.machinery.controller import Controller
from pilothouse.machinery.events import Recorder
from pilothouse.machinery.informer import Informers

T = TypeVar("T", bound=tuple[object, ...] | str)


@dataclass(frozen=True, slots=True)
class Settings:
    """The controllers' settings, with upstream's defaults. Times are seconds."""

    cluster_authority: str = ""
    """PEM of the authority that pods trust; published as `kube-root-ca.crt`. Empty publishes nothing."""
    node_monitor_period: float = 5.0
    node_monitor_grace: float = 50.0
    """A node whose Lease and status are silent for so long is Unknown."""
    node_startup_grace: float = 60.0
    eviction_rate: float = 0.1
    """Nodes a second and zone whose pods are evicted (NoExecute taints put on)."""
    secondary_eviction_rate: float = 0.01
    unhealthy_zone_threshold: float = 0.55
    large_cluster_nodes: int = 50
    terminated_pod_threshold: int = 12500
    pod_gc_period: float = 20.0
    service_range: str = "10.96.0.0/16"
    cluster_network: str = ""
    """Of all pods, IPv4 in CIDR form; nodes without a range get one of it. Empty gives none."""
    signing_pair: tuple[bytes, bytes] | None = None
    """Certificate and key (PEM) that the CSR signer signs with; None signs nothing."""
    token_signer: jwt.Signer | None = None
    """Signs the tokens of Secrets of type service-account-token; None makes none."""
    signing_duration: float = 365 * 24 * 3600.0
    features: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Environment:
    """`client_for(identity)` answers a client that acts as `system:serviceaccount:kube-system:<identity>`."""

    client_for: Callable[[str], Client]
    informers: Informers
    clock: Clock
    chance: Chance
    scope: TaskScope
    settings: Settings = field(default_factory=Settings)
    metrics: Registry = field(default_factory=Registry)

    def recorder(self, component: str, identity: str) -> Recorder:
        """Events of `component`, written as `identity`."""
        return Recorder(component, self.client_for(identity), self.clock, self.scope)

    def controller(
        self,
        name: str,
        identity: str,
        reconcile: Callable[[T, Client], Awaitable[None]],
        *,
        workers: int = 5,
        longest_backoff: float = 1000.0,
    ) -> Controller[T]:
        """The shell for a controller; `longest_backoff` in seconds."""
        return Controller(
            name,
            reconcile,
            self.client_for(identity),
            self.informers,
            self.clock,
            workers=workers,
            longest_backoff=longest_backoff,
        )
