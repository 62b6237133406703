"""The certificates of a cluster, as files: made where missing, and made anew before they expire or when damaged.

The authority is another matter: everybody trusts it by its very bytes, so it is made once, with the cluster.
"""

from __future__ import annotations

import datetime
import ipaddress
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pilothouse.house.addresses import own_address
from pilothouse.house.spec import ClusterSpec, NodeSpec, write_atomically
from pilothouse.kit import tls
from pilothouse.seams.house import HouseError

NODES_GROUP = "system:nodes"
MASTERS_GROUP = "system:masters"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
PROXY, DNS = "proxy", "dns"
AUTHORITY, API_SERVER, ADMIN, ACCOUNT_KEY = "ca", "apiserver", "admin", "service-accounts"

DAY = 24 * 3600.0
LIFETIME = tls.YEAR
RENEW_BEFORE = 90 * DAY
"""A certificate with less time than this left is replaced."""


class Leaf(NamedTuple):
    """A certificate that the cluster's authority issues: a server's if it has hosts, a client's if not."""

    name: str
    common_name: str
    organizations: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Renewed(NamedTuple):
    """A pair that was made: `reason` is what was wrong with the one before, empty if it only grew old or was never
    there."""

    name: str
    reason: str


@dataclass(frozen=True)
class PKI:
    """Reads and makes the files of `directory`: NAME.crt and NAME.key, PEM, keys readable by the owner alone."""

    directory: pathlib.Path

    def pair(self, name: str) -> tls.KeyPair:
        """Raises HouseError naming the file that cannot be read."""
        return tls.KeyPair(self._bytes(f"{name}.crt"), self._bytes(f"{name}.key"))

    def files(self, name: str) -> tuple[pathlib.Path, pathlib.Path]:
        """Where the certificate and its key lie."""
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"

    def _bytes(self, file: str) -> bytes:
        try:
            return (self.directory / file).read_bytes()
        except OSError as error:
            raise HouseError(f"cannot read {self.directory / file}: {error.strerror}", "run pilothouse up") from None

    def _keep(self, name: str, pair: tls.KeyPair) -> None:
        write_atomically(self.directory / f"{name}.key", pair.key)
        write_atomically(self.directory / f"{name}.crt", pair.certificate, 0o644)

    @property
    def service_account_key(self) -> bytes:
        return self._bytes(f"{ACCOUNT_KEY}.key")

    def ensure(self, spec: ClusterSpec, now: float, *, started: bool) -> list[Renewed]:
        """Make what is missing, damaged, for others or about to expire; what was made. `started`: the cluster was in
        use, so its authority cannot be made anew. Raises HouseError if that is expired, lost or damaged."""
        made = [] if started or not self._authority_fault(now) else [self._new_authority(spec, now)]
        self._usable_authority(spec, now)
        if fault := self._account_key_fault():
            write_atomically(self.directory / f"{ACCOUNT_KEY}.key", tls.new_rsa_key())
            made.append(Renewed(ACCOUNT_KEY, fault if started else ""))
        return made + self.renew(spec, now)

    def renew(self, spec: ClusterSpec, now: float) -> list[Renewed]:
        """Issue anew each leaf that is missing, damaged, for others or about to expire; which. Raises HouseError as
        `ensure` does."""
        authority, made = self._usable_authority(spec, now), []
        ends = tls.inspect(authority.certificate).not_after
        lifetime = min(LIFETIME, ends - now)
        for leaf in leaves(spec):
            fault = self._fault(leaf, authority.certificate, now)
            if fault or self._grows_old(leaf, now, lifetime):
                self._keep(leaf.name, _issue(authority, leaf, now, lifetime))
                made.append(Renewed(leaf.name, fault))
        return made

    def _new_authority(self, spec: ClusterSpec, now: float) -> Renewed:
        self._keep(AUTHORITY, tls.new_authority(f"pilothouse-{spec.name}", now=now).pair)
        return Renewed(AUTHORITY, "")

    def _authority_fault(self, now: float) -> str:
        certificate, key = self.files(AUTHORITY)
        lost = [str(file) for file in (certificate, key) if not file.exists()]
        if lost:
            return f"{' and '.join(lost)} {'is' if len(lost) == 1 else 'are'} lost"
        pair = self.pair(AUTHORITY)
        try:
            if not tls.is_pair(pair):
                return f"{key} is not the key of {certificate}"
            ends = tls.inspect(pair.certificate).not_after
        except tls.CertificateError as error:
            return f"{certificate} or {key} is damaged ({error})"
        return f"it expired on {day(ends)}" if ends <= now else ""

    def _usable_authority(self, spec: ClusterSpec, now: float) -> tls.Authority:
        if fault := self._authority_fault(now):
            raise HouseError(
                f"the certificate authority of cluster {spec.name} cannot be used: {fault}",
                f"put the files back from a backup, or begin anew: pilothouse down --name {spec.name}, then "
                f"pilothouse up --name {spec.name}",
            )
        return tls.Authority(self.pair(AUTHORITY))

    def _account_key_fault(self) -> str:
        try:
            tls.load_key(self.service_account_key)
        except HouseError:
            return "missing"
        except tls.CertificateError:
            return "damaged"
        return ""

    def _fault(self, leaf: Leaf, authority: bytes, now: float) -> str:
        """Why what lies there cannot be used as `leaf`; empty if it can."""
        if not all(file.exists() for file in self.files(leaf.name)):
            return "missing"
        pair = self.pair(leaf.name)
        try:
            if not tls.is_pair(pair):
                return "its key is another's"
            if not tls.is_issued_by(pair.certificate, authority):
                return "issued by another authority"
            info = tls.inspect(pair.certificate)
        except tls.CertificateError:
            return "damaged"
        if info.not_after <= now:
            return f"expired on {day(info.not_after)}"
        if info.not_before > now:
            return f"not valid before {day(info.not_before)}"
        same = (info.common_name, set(info.organizations)) == (leaf.common_name, set(leaf.organizations))
        return "" if same and set(leaf.hosts) <= {*info.names, *info.addresses} else "for other names"

    def _grows_old(self, leaf: Leaf, now: float, lifetime: float) -> bool:
        """Whether it should be replaced, and a new one would last longer: an authority near its end issues no long
        ones."""
        left = tls.inspect(self.pair(leaf.name).certificate).not_after - now
        return left < min(RENEW_BEFORE, lifetime - DAY)

    def expiries(self, spec: ClusterSpec) -> list[tuple[str, float]]:
        """Name and end (seconds since the epoch; 0: it cannot be used) of each certificate, the authority's first."""
        return [(name, self._end(name)) for name in (AUTHORITY, *(leaf.name for leaf in leaves(spec)))]

    def _end(self, name: str) -> float:
        try:
            pair = self.pair(name)
            return tls.inspect(pair.certificate).not_after if tls.is_pair(pair) else 0.0
        except (HouseError, tls.CertificateError):
            return 0.0


def _issue(authority: tls.Authority, leaf: Leaf, now: float, lifetime: float) -> tls.KeyPair:
    if not leaf.hosts:
        return authority.issue_client(leaf.common_name, leaf.organizations, now=now, lifetime=lifetime)
    organization = leaf.organizations[0] if leaf.organizations else ""
    return authority.issue_server(leaf.common_name, leaf.hosts, now=now, lifetime=lifetime, organization=organization)


def day(moment: float) -> str:
    """The date of a moment, in UTC."""
    return f"{datetime.datetime.fromtimestamp(moment, datetime.UTC):%Y-%m-%d}"


def leaves(spec: ClusterSpec) -> list[Leaf]:
    """All certificates that a cluster needs beside its authority's."""
    return [
        Leaf(API_SERVER, "kube-apiserver", hosts=server_hosts(spec)),
        Leaf(ADMIN, "kubernetes-admin", (MASTERS_GROUP,)),
        Leaf(KUBELET_CLIENT, KUBELET_CLIENT),
        Leaf(PROXY, "system:kube-proxy"),
        Leaf(DNS, "pilothouse:cluster-dns"),
        *(leaf for node in spec.nodes for leaf in _node_leaves(spec, node)),
    ]


def node_client(node: str) -> str:
    """The name of the pair that a node's kubelet shows the API server."""
    return f"node-{node}"


def node_server(node: str) -> str:
    """The name of the pair that a node's kubelet serves with."""
    return f"node-{node}-server"


def _node_leaves(spec: ClusterSpec, node: NodeSpec) -> Sequence[Leaf]:
    user = f"system:node:{node.name}"
    return (
        Leaf(node_client(node.name), user, (NODES_GROUP,)),
        Leaf(node_server(node.name), user, (NODES_GROUP,), (node.name, spec.node_address(node))),
    )


def server_hosts(spec: ClusterSpec) -> tuple[str, ...]:
    """The names and addresses that clients call the API server by."""
    in_cluster = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    first = str(ipaddress.ip_network(spec.service_cidr)[1])
    return (
        *in_cluster,
        f"kubernetes.default.svc.{spec.cluster_domain}",
        "localhost",
        "127.0.0.1",
        "::1",
        first,
        spec.advertise_address,
        spec.gateway,
        *_listening(spec),
    )


def _listening(spec: ClusterSpec) -> tuple[str, ...]:
    """What others call the API server by if it listens for them."""
    if not spec.listen:
        return ()
    return (own_address(),) if ipaddress.ip_address(spec.listen).is_unspecified else (spec.listen,)
