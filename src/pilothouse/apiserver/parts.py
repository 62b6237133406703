"""What an API server is given to work with, and whom it acts as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn import build as authn
from pilothouse.apiserver.filters.audit.policy import Policy
from pilothouse.apiserver.filters.audit.sink import Sink
from pilothouse.apiserver.streaming.nodes import Kubelets, NoKubelets
from pilothouse.kit import jwt
from pilothouse.kit.clock import Clock
from pilothouse.kit.metrics import Registry as Metrics
from pilothouse.kit.random import Chance
from pilothouse.seams.store import Store

MASTER = UserInfo(username="system:apiserver", groups=("system:masters", "system:authenticated"))
"""The server as a client of itself (upstream's loopback client)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the house gives an API server to work with. `signer` signs service account tokens; its public key belongs
    into the keys of `authn`."""

    store: Store
    clock: Clock
    chance: Chance
    authn: authn.Settings
    signer: jwt.Signer
    kubelets: Kubelets = field(default_factory=NoKubelets)
    service_range: str = "10.96.0.0/16"
    metrics: Metrics = field(default_factory=Metrics)
    address: Callable[[], str] = lambda: ""
    """The host and port that clients reach it at."""
    client_authorities: bytes = b""
    """The certificates (PEM) of those who sign clients' certificates, for extension API servers to know."""
    audit: tuple[Policy, Sink] | None = None
    """What the audit log holds, and where it goes; none is kept without."""
    ending: Callable[[], bool] = lambda: False
    """Whether the process is on its way to its end: then the server is not ready any more."""
