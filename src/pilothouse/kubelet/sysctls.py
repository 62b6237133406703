"""Sysctls that pods set: their names, whose namespace they belong to, and which are safe. Pure.

Upstream: pkg/kubelet/sysctl, component-helpers/node/util/sysctl.
"""

from __future__ import annotations

SAFE_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)


def normal_name(name: str) -> str:
    """A sysctl's name with dots between its parts: it may be written with slashes, and then dots belong to a part
    (net/ipv4/conf/eth0.1/forwarding)."""
    first = next((c for c in name if c in "./"), ".")
    return name if first == "." else name.translate({ord("/"): ".", ord("."): "/"})


def namespace_of(name: str) -> str:
    """`net` or `ipc`: the namespace whose own a sysctl is, or all that a pattern with * stands for; "" for the
    machine's. `name` has dots."""
    if name.startswith("net."):
        return "net"
    return "ipc" if name == "kernel.sem" or name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.")) else ""


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern, which may end in *, stands for a sysctl; both have dots."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
