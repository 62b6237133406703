"""Hostnames, resolvers and hosts files."""

from __future__ import annotations

import pytest

from pilothouse.kubelet.names import dns_config, hostname, hosts_file, parse_resolv_conf
from pilothouse.seams.runtime import DNSConfig
from tests.kubelet.pods import pod

HOST = DNSConfig(("192.0.2.53",), ("corp.example",), ("timeout:1",))
CLUSTER = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ("web", "")),
        ({"hostname": "h"}, ("h", "")),
        ({"hostname": "h", "subdomain": "s"}, ("h", "h.s.default.svc.cluster.local")),
        (
            {"hostname": "h", "subdomain": "s", "setHostnameAsFQDN": True},
            ("h.s.default.svc.cluster.local", "h.s.default.svc.cluster.local"),
        ),
        ({"hostnameOverride": "mine.example"}, ("mine.example", "")),
    ],
)
def test_hostname(spec: dict[str, object], expected: tuple[str, str]) -> None:
    assert hostname(pod(**spec), "cluster.local") == expected


def test_a_long_name_is_cut_to_a_label() -> None:
    assert hostname(pod(name="a" * 62 + ".b"), "cluster.local")[0] == "a" * 62


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, DNSConfig(("10.96.0.10",), (*CLUSTER, "corp.example"), ("ndots:5",))),
        ({"dnsPolicy": "Default"}, HOST),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, HOST),
        (
            {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True},
            DNSConfig(("10.96.0.10",), (*CLUSTER, "corp.example"), ("ndots:5",)),
        ),
        (
            {
                "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": [{"name": "edns0"}]},
            },
            DNSConfig(("1.1.1.1",), ("x",), ("edns0",)),
        ),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}], "searches": ["cluster.local", "new"]}},
            DNSConfig(("10.96.0.10",), (*CLUSTER, "corp.example", "new"), ("ndots:2",)),
        ),
    ],
)
def test_dns_config(spec: dict[str, object], expected: DNSConfig) -> None:
    assert dns_config(pod(**spec), HOST, ["10.96.0.10"], "cluster.local") == expected


def test_resolv_conf_is_read_as_the_resolver_does() -> None:
    text = "# a comment\nnameserver 1.1.1.1\nsearch a b.\nsearch c\noptions ndots:1 rotate\nnameserver 2.2.2.2 # two\n"
    assert parse_resolv_conf(text) == DNSConfig(["1.1.1.1", "2.2.2.2"], ["c"], ["ndots:1", "rotate"])


def test_hosts_file_names_the_pod_and_its_aliases() -> None:
    aliases = pod(hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]).spec.host_aliases
    text = hosts_file(("10.1.1.2",), "h", "h.s.ns.svc.cluster.local", aliases)
    assert hosts_file(("10.1.1.2",), *["h.s.ns.svc.cluster.local"] * 2, aliases) == text, "setHostnameAsFQDN"
    assert "10.1.1.2\tmine.example\n" in hosts_file(("10.1.1.2",), "mine.example", "", ())
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.1.1.2\th.s.ns.svc.cluster.local\th\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")
