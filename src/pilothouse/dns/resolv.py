"""The node's resolver configuration. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import NamedTuple


class Upstream(NamedTuple):
    """A DNS server to ask."""

    ip: str
    port: int = 53


def upstreams_of(resolv_conf: str, own_addresses: Collection[str] = ()) -> list[Upstream]:
    """The name servers of a resolv.conf, in its order and without our own addresses: asking those would go in a
    circle. Lines that are no valid `nameserver` are passed over, as the resolver library does."""
    found: list[Upstream] = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver" or words[1] in own_addresses:
            continue
        try:
            ipaddress.ip_address(words[1].partition("%")[0])
        except ValueError:
            continue
        found.append(Upstream(words[1]))
    return list(dict.fromkeys(found))
