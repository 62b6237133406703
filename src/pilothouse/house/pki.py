"""The certificates of a cluster, as files: made where missing, never made anew while they are there."""

from __future__ import annotations

import ipaddress
import pathlib
from dataclasses import dataclass

from pilothouse.house.spec import ClusterSpec, NodeSpec, write_atomically
from pilothouse.kit import tls

NODES_GROUP = "system:nodes"
MASTERS_GROUP = "system:masters"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
PROXY, DNS = "proxy", "dns"


@dataclass(frozen=True)
class PKI:
    """Reads and makes the files of `directory`: NAME.crt and NAME.key, PEM, keys readable by the owner alone."""

    directory: pathlib.Path

    def pair(self, name: str) -> tls.KeyPair:
        return tls.KeyPair((self.directory / f"{name}.crt").read_bytes(), (self.directory / f"{name}.key").read_bytes())

    def _has(self, name: str) -> bool:
        return (self.directory / f"{name}.crt").exists() and (self.directory / f"{name}.key").exists()

    def _keep(self, name: str, pair: tls.KeyPair) -> None:
        write_atomically(self.directory / f"{name}.key", pair.key)
        write_atomically(self.directory / f"{name}.crt", pair.certificate, 0o644)

    @property
    def authority(self) -> tls.Authority:
        return tls.Authority(self.pair("ca"))

    @property
    def service_account_key(self) -> bytes:
        return (self.directory / "service-accounts.key").read_bytes()

    def ensure(self, spec: ClusterSpec, now: float) -> bool:
        """Make what is missing for the cluster and each of its nodes; whether anything was."""
        made = self._ensure_cluster(spec, now)
        for node in spec.nodes:
            made |= self._ensure_node(spec, node, now)
        return made

    def _ensure_cluster(self, spec: ClusterSpec, now: float) -> bool:
        made = False
        if not self._has("ca"):
            self._keep("ca", tls.new_authority(f"pilothouse-{spec.name}", now=now).pair)
            made = True
        if not (self.directory / "service-accounts.key").exists():
            write_atomically(self.directory / "service-accounts.key", tls.new_rsa_key())
            made = True
        if not self._has("apiserver"):
            self._keep("apiserver", self.authority.issue_server("kube-apiserver", server_hosts(spec), now=now))
            made = True
        for name, user, groups in (
            ("admin", "kubernetes-admin", (MASTERS_GROUP,)),
            (KUBELET_CLIENT, KUBELET_CLIENT, (MASTERS_GROUP,)),
            (PROXY, "system:kube-proxy", ()),
            (DNS, "pilothouse:cluster-dns", ()),
        ):
            if not self._has(name):
                self._keep(name, self.authority.issue_client(user, groups, now=now))
                made = True
        return made

    def _ensure_node(self, spec: ClusterSpec, node: NodeSpec, now: float) -> bool:
        if self._has(f"node-{node.name}") and self._has(f"node-{node.name}-server"):
            return False
        user = f"system:node:{node.name}"
        self._keep(f"node-{node.name}", self.authority.issue_client(user, (NODES_GROUP,), now=now))
        hosts = (node.name, spec.node_address(node))
        server = self.authority.issue_server(user, hosts, now=now, organization=NODES_GROUP)
        self._keep(f"node-{node.name}-server", server)
        return True


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
    )
