"""NetworkPolicy."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.networking.v1 import NetworkPolicy, NetworkPolicyPort
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age, selector


def defaults(obj: NetworkPolicy) -> NetworkPolicy:
    spec = obj.spec
    types = spec.policy_types or (("Ingress", "Egress") if spec.egress else ("Ingress",))
    ingress = tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.ingress)
    egress = tuple(replace(rule, ports=_ports(rule.ports)) for rule in spec.egress)
    if (types, ingress, egress) == (spec.policy_types, spec.ingress, spec.egress):
        return obj
    return replace(obj, spec=replace(spec, policy_types=types, ingress=ingress, egress=egress))


def _ports(ports: tuple[NetworkPolicyPort, ...]) -> tuple[NetworkPolicyPort, ...]:
    return tuple(port if port.protocol is not None else replace(port, protocol="TCP") for port in ports)


def row(obj: NetworkPolicy, now: float) -> Sequence[Cell]:
    return obj.metadata.name, selector(obj.spec.pod_selector), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=NetworkPolicy,
    prefix="networkpolicies",
    generation=("spec",),
    row=row,
    defaults=defaults,
)
