"""NetworkPolicy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.types.networking.v1 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort
from pilothouse.kinds.cells import age, selector
from pilothouse.kinds.core.services.validation import port_name
from pilothouse.kinds.strategy import Cell, Strategy
from pilothouse.semantics.validation import addresses, selectors

_PROTOCOLS, _TYPES = ("TCP", "UDP", "SCTP"), ("Ingress", "Egress")
_PORT_FAULT = "must be between 1 and 65535, inclusive"
Rule = tuple[str, tuple[NetworkPolicyPort, ...], str, tuple[NetworkPolicyPeer, ...]]


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


def _rules(obj: NetworkPolicy) -> Iterator[Rule]:
    """Path, ports, name of the peers, and peers of each rule."""
    for index, ingress in enumerate(obj.spec.ingress):
        yield f"spec.ingress[{index}]", ingress.ports, "from", ingress.from_
    for index, egress in enumerate(obj.spec.egress):
        yield f"spec.egress[{index}]", egress.ports, "to", egress.to


def _blocks(obj: NetworkPolicy) -> Iterator[tuple[str, IPBlock]]:
    for path, _, name, peers in _rules(obj):
        for index, peer in enumerate(peers):
            if peer.ip_block is not None:
                yield f"{path}.{name}[{index}].ipBlock", peer.ip_block


def validate(obj: NetworkPolicy) -> FieldErrors:
    return _validate(obj, frozenset())


def validate_update(new: NetworkPolicy, old: NetworkPolicy) -> FieldErrors:
    """Networks that the policy has already may stay, bad as they are."""
    held = {text for _path, block in _blocks(old) for text in (block.cidr, *block.except_)}
    return _validate(new, held)


def _validate(obj: NetworkPolicy, held: Collection[str]) -> FieldErrors:
    found = selectors.label_selector("spec.podSelector", obj.spec.pod_selector)
    for path, ports, name, peers in _rules(obj):
        for index, port in enumerate(ports):
            found += _port(port, f"{path}.ports[{index}]")
        for index, peer in enumerate(peers):
            found += _peer(peer, f"{path}.{name}[{index}]", held)
    types = obj.spec.policy_types
    if len(types) > len(_TYPES):
        return [*found, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
    for index, kind in enumerate(types):
        if kind not in _TYPES:
            found.append(not_supported(f"spec.policyTypes[{index}]", kind, _TYPES))
    return found


def _port(port: NetworkPolicyPort, path: str) -> FieldErrors:
    found: FieldErrors = []
    if port.protocol is not None and port.protocol not in _PROTOCOLS:
        found.append(not_supported(f"{path}.protocol", port.protocol, _PROTOCOLS))
    end = port.end_port
    if port.port is None:
        if end is not None:
            found.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is not specified"))
    elif isinstance(port.port, int):
        if not 0 < port.port < 65536:
            found.append(invalid(f"{path}.port", port.port, _PORT_FAULT))
        if end is not None and end < port.port:
            # Upstream shows the port here, not the end.
            found.append(invalid(f"{path}.endPort", port.port, "must be greater than or equal to `port`"))
        if end is not None and not 0 < end < 65536:
            found.append(invalid(f"{path}.endPort", end, _PORT_FAULT))
    else:
        if end is not None:
            found.append(invalid(f"{path}.endPort", end, "may not be specified when `port` is non-numeric"))
        found += [invalid(f"{path}.port", port.port, fault) for fault in port_name(port.port)]
    return found


def _peer(peer: NetworkPolicyPeer, path: str, held: Collection[str]) -> FieldErrors:
    found: FieldErrors = []
    if peer.pod_selector is not None:
        found += selectors.label_selector(f"{path}.podSelector", peer.pod_selector)
    if peer.namespace_selector is not None:
        found += selectors.label_selector(f"{path}.namespaceSelector", peer.namespace_selector)
    selected = peer.pod_selector is not None or peer.namespace_selector is not None
    if peer.ip_block is not None:
        found += _block(peer.ip_block, f"{path}.ipBlock", held)
        if selected:
            found.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selected:
        found.append(required(path, "must specify a peer"))
    return found


def _block(block: IPBlock, path: str, held: Collection[str]) -> FieldErrors:
    if not block.cidr:
        return [required(f"{path}.cidr")]
    found = addresses.cidr(f"{path}.cidr", block.cidr, held)
    network = addresses.parse_network(block.cidr)
    if network is None:
        return found
    for index, text in enumerate(block.except_):
        at = f"{path}.except[{index}]"
        found += addresses.cidr(at, text, held)
        part = addresses.parse_network(text)
        if part is None:
            continue
        within = part.version == network.version and part.network_address in network
        if not within or network.prefixlen >= part.prefixlen:
            found.append(invalid(at, text, "must be a strict subset of `cidr`"))
    return found


def warnings(obj: NetworkPolicy) -> Sequence[str]:
    found: list[str] = []
    for path, block in _blocks(obj):
        found += addresses.cidr_warnings(f"{path}.cidr", block.cidr)
        for index, text in enumerate(block.except_):
            found += addresses.cidr_warnings(f"{path}.except[{index}]", text)
    return found


def row(obj: NetworkPolicy, now: float) -> Sequence[Cell]:
    return obj.metadata.name, selector(obj.spec.pod_selector), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=NetworkPolicy,
    prefix="networkpolicies",
    generation=("spec",),
    row=row,
    defaults=defaults,
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
)
