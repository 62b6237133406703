"""Questions to answers, as the Kubernetes DNS specification 1.1.0 says."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from pilothouse.dns.wire import (
    Address,
    Alias,
    Answer,
    Authority,
    NameServer,
    Pointer,
    Rcode,
    Record,
    Server,
    Text,
    Type,
)
from pilothouse.dns.zone.directory import Directory, Entry, Member, Port

SCHEMA_VERSION = "1.1.0"
_ADDRESS_TYPES = (Type.A, Type.AAAA)
Found = Sequence[Record] | None  # None: there is no such name; empty: the name exists


class Zone:
    """Answers for `domain` (`cluster.local`) and for reverse names of addresses it knows. `own_ip` is the DNS server's
    address; `ttl` is in seconds and holds for denials too. `shuffle` gives a number below its argument: where a list
    of addresses starts, so that clients that take the first one spread."""

    def __init__(
        self,
        directory: Directory,
        domain: str = "cluster.local",
        *,
        own_ip: str = "",
        ttl: int = 5,
        shuffle: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self.directory = directory
        self.domain = domain.strip(".").lower()
        self.ttl = ttl
        self._own_ip = own_ip
        self._shuffle = shuffle
        self._suffix = "." + self.domain

    def ask(self, name: str, kind: int) -> Answer | None:
        """The answer to a question of class IN; `name` in lower case without the trailing dot. None: not our name,
        somebody else may know."""
        if name == self.domain:
            return self._answer(self._apex(kind), name)
        if name.endswith(self._suffix):
            labels = name[: -len(self._suffix)].split(".")
            return self._answer(self._inside(labels, name, kind), name, kind)
        if name.endswith((".in-addr.arpa", ".ip6.arpa")):
            return self._reverse(name, kind)
        return None

    def _answer(self, found: Found, name: str, kind: int = 0) -> Answer:
        if found is None:
            return Answer(Rcode.NXDOMAIN, authority=(self._authority(),), ttl=self.ttl)
        if not found:
            return Answer(authority=(self._authority(),), ttl=self.ttl)
        if kind == Type.SRV:
            return Answer(answers=found, additional=self._addresses_of_servers(found), ttl=self.ttl)
        return Answer(answers=self._turned(found), ttl=self.ttl)

    def _turned(self, found: Sequence[Record]) -> Sequence[Record]:
        if len(found) < 2:
            return found
        start = self._shuffle(len(found))
        return (*found[start:], *found[:start])

    def _authority(self) -> Authority:
        primary, mailbox = f"ns.dns.{self.domain}", f"hostmaster.{self.domain}"
        return Authority(self.domain, primary, mailbox, self.directory.serial & 0xFFFFFFFF, self.ttl)

    def _apex(self, kind: int) -> Found:
        if kind == Type.SOA:
            return (self._authority(),)
        if kind == Type.NS:
            return (NameServer(self.domain, f"ns.dns.{self.domain}"),)
        return ()

    def _inside(self, labels: list[str], name: str, kind: int) -> Found:
        """Labels before the domain, as `["web", "default", "svc"]`."""
        match labels:
            case ["dns-version"]:
                return (Text(name, SCHEMA_VERSION),) if kind == Type.TXT else ()
            case ["ns", "dns"]:
                return self._addresses(name, (self._own_ip,) if self._own_ip else (), kind)
            case ["dns"] | ["svc"] | ["pod"]:
                return ()
            case [namespace, "svc"] | [namespace, "pod"]:
                return () if self.directory.has_namespace(namespace) else None
            case [dashed, namespace, "pod"]:
                return self._pod(dashed, namespace, name, kind)
            case [*rest, service, namespace, "svc"]:
                entry = self.directory.entry(namespace, service)
                return None if entry is None else self._service(entry, rest, name, kind)
        return None

    def _pod(self, dashed: str, namespace: str, name: str, kind: int) -> Found:
        if not self.directory.has_namespace(namespace):
            return None
        for text in (dashed.replace("-", "."), dashed.replace("-", ":")):
            try:
                ip = str(ipaddress.ip_address(text))
            except ValueError:
                continue
            return self._addresses(name, (ip,), kind)
        return None

    def _service(self, entry: Entry, rest: list[str], name: str, kind: int) -> Found:
        if entry.external_name:
            return (Alias(name, entry.external_name),) if not rest else None
        match rest:
            case []:
                if kind == Type.SRV:
                    return self._servers(entry, name, name, lambda _: True)
                ips = entry.ips or tuple(dict.fromkeys(m.ip for m in entry.members))
                return self._addresses(name, ips, kind)
            case [protocol] if protocol.startswith("_"):
                known = {"_" + p.protocol for p in self._ports(entry)}
                return () if protocol in known else None
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                base = name.split(".", 2)[2]
                servers = self._servers(entry, name, base, lambda p: (p.name, p.protocol) == (port[1:], protocol[1:]))
                return servers if servers is None or kind == Type.SRV else ()
            case [label] if entry.headless:
                members = [m for m in entry.members if m.label == label]
                if not members:
                    return None
                if kind == Type.SRV:
                    return [Server(name, p.number, name) for m in members for p in m.ports]
                return self._addresses(name, [m.ip for m in members], kind)
        return None

    def _ports(self, entry: Entry) -> list[Port]:
        return [p for m in entry.members for p in m.ports] if entry.headless else list(entry.ports)

    def _servers(self, entry: Entry, name: str, base: str, wanted: Callable[[Port], bool]) -> Found:
        """SRV records of `base`'s ports; None if no port is wanted. The weight is shared among members."""
        if not entry.headless:
            return [Server(name, p.number, base) for p in entry.ports if wanted(p)] or None
        pairs = dict.fromkeys((m.label, p.number) for m in entry.members for p in m.ports if wanted(p))
        if not pairs:
            return () if base == name else None
        weight = max(1, 100 // len(pairs))
        return [Server(name, number, f"{label}.{base}", weight) for label, number in pairs]

    def _addresses(self, name: str, ips: Sequence[str], kind: int) -> Found:
        if kind not in _ADDRESS_TYPES:
            return ()
        return [Address(name, ip) for ip in ips if (":" in ip) == (kind == Type.AAAA)]

    def _addresses_of_servers(self, servers: Sequence[Record]) -> list[Record]:
        found: list[Record] = []
        for target in dict.fromkeys(s.target for s in servers if isinstance(s, Server)):
            labels = target[: -len(self._suffix)].split(".")
            for kind in _ADDRESS_TYPES:
                found.extend(self._inside(labels, target, kind) or ())
        return found

    def _reverse(self, name: str, kind: int) -> Answer | None:
        ip = _reversed_address(name)
        if ip is None:
            return None
        targets: list[str] = []
        for (namespace, service), entry in self.directory.owners_of(ip):
            base = f"{service}.{namespace}.svc{self._suffix}"
            if ip in entry.ips:
                targets = [base]
                break
            targets.extend(_member_name(m, base) for m in entry.members if m.ip == ip)
        if not targets:
            return None
        return Answer(answers=[Pointer(name, t) for t in targets] if kind == Type.PTR else (), ttl=self.ttl)


def _member_name(member: Member, base: str) -> str:
    return f"{member.label}.{base}"


def _reversed_address(name: str) -> str | None:
    try:
        if name.endswith(".in-addr.arpa"):
            labels = name[: -len(".in-addr.arpa")].split(".")
            return str(ipaddress.IPv4Address(".".join(reversed(labels))))
        digits = "".join(reversed(name[: -len(".ip6.arpa")].split(".")))
        if len(digits) != 32:
            return None
        return str(ipaddress.IPv6Address(int(digits, 16)))
    except ValueError:
        return None
