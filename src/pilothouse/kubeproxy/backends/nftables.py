"""The printer: an abstract table becomes items of an nftables table. Pure; `backends.kernel` sends them.

A packet meets three lookups whatever the number of Services: its address, protocol and port in a verdict map say how
many endpoints there are (chain `ip-tcp-any-3`), which draws a number, and a second map turns the key with the number
into an endpoint. Only Services with client affinity have chains of their own: what they remember is per endpoint.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.kubeproxy.backends.ruleset import Chain, Collection, Element, Item
from pilothouse.kubeproxy.model.place import Place
from pilothouse.kubeproxy.model.table import Entry, Fragment, Frontend, Masquerade, Pool, Refusal, Target

MARK = "0x4000"  # the bit that kube-proxy and CNI plugins agree to leave to the service proxy


class Space(NamedTuple):
    """One of the two ways a frontend is looked up: with an address, or as a port of every address of the node."""

    name: str
    key: str
    type: str


def _word(place: Place) -> str:
    return "ip" if place.family == "IPv4" else "ip6"


def spaces(place: Place) -> tuple[Space, Space]:
    word = _word(place)
    return (
        Space("ip", f"{word} daddr . meta l4proto . th dport", f"{_address_type(place)} . inet_proto . inet_service"),
        Space("port", "meta l4proto . th dport", "inet_proto . inet_service"),
    )


def _draw(space: Space, protocol: str, count: int) -> str:
    """The key of an endpoint, its number drawn. nft binds a map with ports to one protocol, so each has its own."""
    return f"{space.key.replace('meta l4proto . th', protocol)} . numgen random mod {count}"


def _address_type(place: Place) -> str:
    return "ipv4_addr" if place.family == "IPv4" else "ipv6_addr"


def base(place: Place) -> list[Item]:
    """What stands in the table whatever the Services are."""
    return [*_collections(place), *_nat_chains(place), *_filter_chains(place)]


def _collections(place: Place) -> Iterator[Item]:
    word, address = _word(place), _address_type(place)
    for space in spaces(place):
        for use in ("services", "inside", "outside", "refused"):
            yield Collection("map", f"{space.name}-{use}", f"type {space.type} : verdict ;")
        for protocol, among in itertools.product(("tcp", "udp", "sctp"), ("any", "local")):
            draw = _draw(space, protocol, 2)
            declared = f"typeof {draw} : {word} daddr . {protocol} dport ;"
            yield Collection("map", f"{space.name}-{protocol}-{among}", declared)
    yield Collection("set", "hairpins", f"type {address} . {address} ;")
    yield Collection("set", "cluster-ips", f"type {address} ;")
    guarded = f"{address} . inet_proto . inet_service"
    yield Collection("set", "guarded", f"type {guarded} ;")
    yield Collection("set", "sources", f"type {guarded} . {address} ; flags interval ;")


def _not_loopback(place: Place) -> str:
    return "ip daddr != 127.0.0.0/8" if place.family == "IPv4" else "ip6 daddr != ::1"


def _nat_chains(place: Place) -> Iterator[Item]:
    word = _word(place)
    by_ip, by_port = spaces(place)
    to_node = f"{_not_loopback(place)} fib daddr type local"
    services = (f"{by_ip.key} vmap @ip-services", f"{to_node} {by_port.key} vmap @port-services")
    yield Chain("services", services)
    yield Chain("nat-prerouting", ("jump services",), "type nat hook prerouting priority -100 ; policy accept ;")
    yield Chain("nat-output", ("jump services",), "type nat hook output priority -100 ; policy accept ;")
    hairpin = f"ct status dnat {word} saddr . {word} daddr @hairpins masquerade fully-random"
    marked = f"meta mark & {MARK} != 0 meta mark set meta mark ^ {MARK} masquerade fully-random"
    hook = "type nat hook postrouting priority 100 ; policy accept ;"
    yield Chain("nat-postrouting", (marked, hairpin), hook)
    yield Chain("hide-source", (f"meta mark set meta mark | {MARK}",))
    for space in (by_ip, by_port):
        inside = f"{space.key} vmap @{space.name}-inside"
        rules = ["fib saddr type local jump hide-source", f"fib saddr type local {inside}"]
        if place.pod_cidrs:
            rules.append(f"{word} saddr {_members(place.pod_cidrs)} {inside}")
        yield Chain(f"{space.name}-policy-local", (*rules, f"{space.key} vmap @{space.name}-outside"))


def _members(networks: tuple[str, ...]) -> str:
    return f"{{ {', '.join(networks)} }}"


def _filter_chains(place: Place) -> Iterator[Item]:
    word = _word(place)
    by_ip, by_port = spaces(place)
    to_node = f"{_not_loopback(place)} fib daddr type local"
    yield Chain("refuse-aloud", ("reject",))
    refused = (f"{by_ip.key} vmap @ip-refused", f"{to_node} {by_port.key} vmap @port-refused")
    yield Chain("refused", refused)
    guard = f"ct state new {by_ip.key} @guarded {by_ip.key} . {word} saddr != @sources drop"
    no_port = f"ct state new {word} daddr @cluster-ips goto refuse-aloud"
    for hook in ("input", "forward", "output"):
        rules = ["ct state new jump refused"]
        if hook != "input":
            rules += [no_port, *_nobodys(place)]
        yield Chain(f"filter-{hook}", tuple(rules), f"type filter hook {hook} priority 0 ; policy accept ;")
    for hook in ("prerouting", "output"):
        declared = f"type filter hook {hook} priority -110 ; policy accept ;"
        yield Chain(f"guard-{hook}", (guard,), declared)


def _nobodys(place: Place) -> Iterator[str]:
    """Service addresses that no Service has, or one that another proxy serves and has not translated."""
    if place.service_cidrs:
        word = _word(place)
        own = f" {word} daddr != {_members(tuple(sorted(place.own_addresses)))}" if place.own_addresses else ""
        yield f"ct state new {word} daddr {_members(place.service_cidrs)}{own} drop"


def items_of_fragment(fragment: Fragment) -> Iterator[Item]:
    """What a Service adds apart from its frontends."""
    for ip in sorted(fragment.hairpins):
        yield Element("set", "hairpins", f"{ip} . {ip}")
    for ip in sorted(fragment.cluster_ips):
        yield Element("set", "cluster-ips", ip)


def items_of(frontend: Frontend, entry: Entry, place: Place) -> list[Item]:
    """What a frontend adds to the table."""
    printer = _Printer(frontend, place)
    return [*printer.entry(entry)]


class _Printer:
    def __init__(self, frontend: Frontend, place: Place) -> None:
        self._place = place
        self._protocol = frontend.protocol
        self._space = spaces(place)[0 if frontend.ip else 1]
        key = f"{frontend.protocol} . {frontend.port}"
        self._key = f"{frontend.ip} . {key}" if frontend.ip else key
        self._endpoint_key = f"{frontend.ip} . {frontend.port}" if frontend.ip else str(frontend.port)

    def entry(self, entry: Entry) -> Iterator[Item]:
        space = self._space.name
        if entry.external is None:
            if entry.pool.targets:
                yield from self._pool(entry.pool, entry.masquerade, "services", "any")
        else:
            yield Element("map", f"{space}-services", self._key, f"goto {space}-policy-local")
            if entry.pool.targets:
                yield from self._pool(entry.pool, Masquerade.NEVER, "inside", "any")
            if entry.external.targets:
                yield from self._pool(entry.external, Masquerade.NEVER, "outside", "local")
        if not (entry.external or entry.pool).targets:
            verdict = "goto refuse-aloud" if entry.refusal is Refusal.REJECT else "drop"
            yield Element("map", f"{space}-refused", self._key, verdict)
        if entry.sources is not None:
            yield Element("set", "guarded", self._key)
            yield from (Element("set", "sources", f"{self._key} . {network}") for network in entry.sources)

    def _pool(self, pool: Pool, masquerade: Masquerade, use: str, among: str) -> Iterator[Item]:
        space = self._space.name
        if pool.affinity_seconds:
            name = _affinity_name(pool)
            yield from _affinity(pool, self._protocol, self._place)
        else:
            collection = f"{space}-{self._protocol}-{among}"
            name = f"{collection}-{len(pool.targets)}"
            draw = _draw(self._space, self._protocol, len(pool.targets))
            to = f"{_word(self._place)} to {draw} map @{collection}"
            yield Chain(name, (f"meta l4proto {self._protocol} dnat {to}",))
            for number, target in enumerate(pool.targets):
                key = f"{self._endpoint_key} . {number}"
                yield Element("map", collection, key, f"{target.ip} . {target.port}")
        if masquerade is Masquerade.ALWAYS:
            yield Chain(f"{name}-hidden", ("jump hide-source", f"goto {name}"))
            name = f"{name}-hidden"
        elif masquerade is Masquerade.OUTSIDE and self._place.pod_cidrs:
            stranger = f"{_word(self._place)} saddr != {_members(self._place.pod_cidrs)} jump hide-source"
            yield Chain(f"{name}-checked", (stranger, f"goto {name}"))
            name = f"{name}-checked"
        yield Element("map", f"{space}-{use}", self._key, f"goto {name}")


def _affinity_name(pool: Pool) -> str:
    return f"affinity/{pool.name}/{pool.affinity_seconds}"


def _affinity(pool: Pool, protocol: str, place: Place) -> Iterator[Item]:
    """A chain and a set of clients for each endpoint: what it remembers dies with it and with nothing else."""
    word, name = _word(place), _affinity_name(pool)
    rules, draws = [], []
    for number, target in enumerate(pool.targets):
        own = f"{name}/{target.ip.replace(':', '.')}/{target.port}"
        timeout = f"type {_address_type(place)} ; flags dynamic,timeout ; timeout {pool.affinity_seconds}s ;"
        yield Collection("set", own, timeout)
        to = f"meta l4proto {protocol} dnat {word} to {_socket(target)}"
        yield Chain(own, (f"update @{own} {{ {word} saddr }}", to))
        rules.append(f"{word} saddr @{own} goto {own}")
        draws.append(f"{number} : goto {own}")
    yield Chain(name, (*rules, f"numgen random mod {len(draws)} vmap {{ {', '.join(draws)} }}"))


def _socket(target: Target) -> str:
    return f"[{target.ip}]:{target.port}" if ":" in target.ip else f"{target.ip}:{target.port}"
