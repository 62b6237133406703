"""Carries the network's plan out on this machine; every function may be run again."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
from collections.abc import Sequence

from pilothouse.runtime.network import plan
from pilothouse.runtime.network.plan import ClusterNetwork, NodeLink

NAMESPACES = pathlib.Path("/run/netns")
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


class NetworkFailure(OSError):
    """`ip` or `nft` refused; the text is theirs."""


def _run(command: Sequence[str], text: str = "", accept: str = "") -> None:
    """Run a command with `text` on its standard input. Its refusal is fine if its words hold `accept`."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NetworkFailure(f"{command[0]} is not installed") from None
    if done.returncode and not (accept and accept in done.stderr):
        raise NetworkFailure(f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def _ip(lines: Sequence[str], namespace: str = "") -> None:
    where = ["-n", namespace] if namespace else []
    if lines:
        _run(["ip", *where, "-batch", "-"], "\n".join(lines) + "\n")


def enter(network: ClusterNetwork, node: str) -> tuple[str, ...]:
    """The words before a command that make it run in a node's network namespace."""
    return ("nsenter", f"--net={NAMESPACES / network.namespace(node)}")


def _has_link(name: str) -> bool:
    return pathlib.Path("/sys/class/net", name).exists()


def ensure(network: ClusterNetwork) -> bool:
    """Bridge, namespaces, links, routes and rules as they should be; whether anything was missing."""
    made = False
    if not _has_link(network.bridge):
        _ip(plan.bridge_commands(network))
        made = True
    for node in network.nodes:
        made |= _ensure_node(network, node)
    _run(["nft", "-f", "-"], plan.host_rules(network))
    _ip(plan.route_commands(network.nodes))
    for node in network.nodes:
        peers = [peer for peer in network.nodes if peer != node]
        _ip(plan.route_commands(peers), network.namespace(node.name))
    return made


def _ensure_node(network: ClusterNetwork, node: NodeLink) -> bool:
    namespace = network.namespace(node.name)
    present = (NAMESPACES / namespace).exists()
    if not present:
        _run(["ip", "netns", "add", namespace])
    if not _has_link(network.host_link(node)):
        _ip(plan.link_commands(network, node))
    elif present:
        return False
    _ip(plan.inside_commands(network, node), namespace)
    _run([*enter(network, node.name), "sh", "-c", f"echo 1 > {FORWARDING}"])
    _run([*enter(network, node.name), "nft", "-f", "-"], plan.node_rules(network, node))
    return True


def remove_node(network: ClusterNetwork, node: NodeLink) -> None:
    """The node's namespace with its link and its rules; the routes to it go where they stood."""
    link = network.host_link(node)
    if _has_link(link):
        _run(["ip", "link", "delete", link])
    _run(["ip", "route", "delete", node.pod_cidr], accept="No such process")
    if (NAMESPACES / network.namespace(node.name)).exists():
        _run(["ip", "netns", "delete", network.namespace(node.name)])


def remove(network: ClusterNetwork) -> None:
    """All of it."""
    for node in network.nodes:
        remove_node(network, node)
    if _has_link(network.bridge):
        _run(["ip", "link", "delete", network.bridge])
    _run(["nft", "delete", "table", "ip", network.host_table], accept="No such file")
    with contextlib.suppress(OSError):
        if not any(NAMESPACES.iterdir()):
            # `ip netns add` makes the folder a mount of itself; the last namespace takes it along
            subprocess.run(["umount", NAMESPACES], check=False, capture_output=True)
            NAMESPACES.rmdir()


def bridges() -> list[str]:
    """The bridges of all clusters on this machine."""
    return [link.name for link in pathlib.Path("/sys/class/net").glob("ph??????") if (link / "bridge").exists()]


def forwarding() -> bool:
    """Whether the host forwards IPv4 packets."""
    return FORWARDING.read_text().strip() == "1"


def set_forwarding(on: bool) -> None:
    FORWARDING.write_text("1" if on else "0")
