"""Free ports, free subnets, and the address of this machine that others may know."""

from __future__ import annotations

import ipaddress
import pathlib
import socket
from collections.abc import Iterable, Sequence

from pilothouse.seams.house import HouseError

_NODE_SUBNETS = ipaddress.IPv4Network("172.30.0.0/16")
_POD_NETWORKS = tuple(ipaddress.IPv4Network(f"10.{number}.0.0/16") for number in range(244, 96, -1))
# Documentation range (RFC 5737): what a machine without any network publishes, since the API refuses loopback.
_NOWHERE = "192.0.2.1"
FIRST_PORT = 6443


def port_is_free(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_port(taken: Iterable[int]) -> int:
    """The usual port if it is free and no other cluster has it, else one that the kernel gives."""
    others = set(taken)
    if FIRST_PORT not in others and port_is_free(FIRST_PORT, "0.0.0.0"):
        return FIRST_PORT
    while True:
        with socket.socket() as probe:
            probe.bind(("0.0.0.0", 0))
            port = int(probe.getsockname()[1])
        if port not in others:
            return port


def own_address() -> str:
    """The address this machine uses towards others; asks the routing table, sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
            address = str(probe.getsockname()[0])
        except OSError:
            return _NOWHERE
    return _NOWHERE if ipaddress.ip_address(address).is_loopback else address


def routed_networks() -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that this machine's routing table knows, the default route left out."""
    found = []
    try:
        lines = pathlib.Path("/proc/net/route").read_text().splitlines()[1:]
    except FileNotFoundError:
        return []
    for line in lines:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, mask.bit_count()), strict=False))
    return found


def choose_networks(taken: Sequence[str]) -> tuple[str, str]:
    """(node subnet /24, pod network /16) that touch neither the routes of this machine nor `taken`."""
    busy = [*routed_networks(), *(ipaddress.IPv4Network(network) for network in taken)]

    def first(candidates: Iterable[ipaddress.IPv4Network], what: str) -> str:
        for candidate in candidates:
            if not any(candidate.overlaps(other) for other in busy):
                return str(candidate)
        raise HouseError(f"no {what} is free on this machine", "take a cluster down, or remove routes in its range")

    nodes = first(_NODE_SUBNETS.subnets(new_prefix=24), f"subnet of {_NODE_SUBNETS}")
    return nodes, first(_POD_NETWORKS, "pod network of 10.0.0.0/8")
