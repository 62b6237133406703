"""The abstract table: frontends (an address and a port that clients use) to what happens with a new connection.

A Service contributes a `Fragment`; a `Table` is all fragments. `Table.decide` says what the table means, so that a
backend, and a test, can be held against it.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Owner = tuple[str, str]  # namespace and name of a Service


class Frontend(NamedTuple):
    """What a client connects to; `ip == ""` is a node port: every address of the node. `protocol`: tcp, udp, sctp."""

    ip: str
    protocol: str
    port: int


class Target(NamedTuple):
    """An endpoint."""

    ip: str
    port: int


class Masquerade(enum.Enum):
    """Whether the node hides the client behind its own address, so that the answer comes back this way."""

    NEVER = "never"
    OUTSIDE = "outside"  # only a client that is no pod of the cluster
    ALWAYS = "always"


class Refusal(enum.Enum):
    """What becomes of a connection that no endpoint takes."""

    REJECT = "reject"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Pool:
    """Endpoints among which a new connection is spread evenly, sorted; with `affinity_seconds`, a client's connections
    stay on one endpoint until it was silent for that long. `name` is stable for a port of a Service and a traffic
    policy: two frontends with the same name share their affinity."""

    name: str
    targets: tuple[Target, ...]
    affinity_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """What a frontend does with a new connection.

    `pool` takes it. Under `externalTrafficPolicy: Local` `external` takes what neither a pod nor the node itself sent,
    with the client's address kept. An empty pool refuses as `refusal` says. `sources`, if not None, are the only
    networks that may connect; others are dropped.
    """

    pool: Pool
    external: Pool | None = None
    masquerade: Masquerade = Masquerade.NEVER
    refusal: Refusal = Refusal.REJECT
    sources: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An HTTP port that tells load balancers whether this node has endpoints of a Service."""

    namespace: str
    name: str
    port: int
    local_endpoints: int


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one Service adds to the table. `hairpins` are addresses of endpoints on this node: one that reaches itself
    through the Service must be masqueraded. `cluster_ips` are refused on every port that is not in `entries`."""

    entries: Mapping[Frontend, Entry] = field(default_factory=dict)
    hairpins: frozenset[str] = frozenset()
    cluster_ips: frozenset[str] = frozenset()
    health_check: HealthCheck | None = None


EMPTY = Fragment()


class Packet(NamedTuple):
    """The first packet of a connection, as this node sees it. `to_node`: the destination is an address of the node."""

    source: str
    destination: str
    protocol: str
    port: int
    to_node: bool = False
    from_node: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """`refusal` None and no targets: the table has nothing to say. Otherwise one of `targets` takes the connection."""

    targets: tuple[Target, ...] = ()
    masquerade: bool = False
    refusal: Refusal | None = None
    affinity_seconds: int = 0


NOTHING = Decision()


def within(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address lies in one of the networks."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in ipaddress.ip_network(n, strict=False) for n in networks)


class Table:
    """All fragments. Where two Services claim one frontend, the first by namespace and name has it."""

    def __init__(self, pod_cidrs: tuple[str, ...] = ()) -> None:
        self._pod_cidrs = pod_cidrs
        self._fragments: dict[Owner, Fragment] = {}
        self._claims: dict[Frontend, set[Owner]] = {}

    def put(self, owner: Owner, fragment: Fragment) -> Fragment:
        """Replace the fragment of a Service (`EMPTY` removes it); returns the one before."""
        before = self._fragments.get(owner, EMPTY)
        for frontend in before.entries.keys() - fragment.entries.keys():
            owners = self._claims[frontend]
            owners.discard(owner)
            if not owners:
                del self._claims[frontend]
        for frontend in fragment.entries.keys() - before.entries.keys():
            self._claims.setdefault(frontend, set()).add(owner)
        if fragment == EMPTY:
            self._fragments.pop(owner, None)
        else:
            self._fragments[owner] = fragment
        return before

    def fragments(self) -> Mapping[Owner, Fragment]:
        return self._fragments

    def __iter__(self) -> Iterator[tuple[Frontend, Entry]]:
        for frontend in self._claims:
            entry = self.entry(frontend)
            if entry is not None:
                yield frontend, entry

    def entry(self, frontend: Frontend) -> Entry | None:
        """What holds for a frontend now."""
        owners = self._claims.get(frontend)
        return self._fragments[min(owners)].entries[frontend] if owners else None

    def decide(self, packet: Packet) -> Decision:
        """What happens with a new connection: the meaning of the table."""
        entry = self.entry(Frontend(packet.destination, packet.protocol, packet.port))
        if entry is None and packet.to_node and not packet.destination.startswith("127."):
            entry = self.entry(Frontend("", packet.protocol, packet.port))
        if entry is None:
            if any(packet.destination in f.cluster_ips for f in self._fragments.values()):
                return Decision(refusal=Refusal.REJECT)
            return NOTHING
        if entry.sources is not None and not within(packet.source, entry.sources):
            return Decision(refusal=Refusal.DROP)
        return self._spread(packet, entry)

    def _spread(self, packet: Packet, entry: Entry) -> Decision:
        from_pod = bool(self._pod_cidrs) and within(packet.source, self._pod_cidrs)
        pool, masquerade = entry.pool, entry.masquerade is Masquerade.ALWAYS
        if entry.external is not None:
            inside = from_pod or packet.from_node
            pool = entry.pool if inside else entry.external
            masquerade = packet.from_node and inside
        elif entry.masquerade is Masquerade.OUTSIDE:
            masquerade = bool(self._pod_cidrs) and not from_pod
        if not pool.targets:
            return Decision(refusal=entry.refusal)
        return Decision(pool.targets, masquerade, None, pool.affinity_seconds)
