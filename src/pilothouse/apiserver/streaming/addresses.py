"""Where a request may be carried to: the one door for every connection that the API server makes for a client.

Addresses come from objects that clients write (a pod's or a node's status, an EndpointSlice). None of them may lead to
this machine itself, to its link (cloud metadata services are there) or to many at once; upstream's
`proxy.IsProxyableIP` and `IsProxyableHostname`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from pilothouse.api.errors import StatusError, bad_request

_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


def not_proxyable() -> StatusError:
    return bad_request("address not allowed")


def proxyable(text: str) -> bool:
    """Whether it is a unicast address of more than this machine or this link. Pure."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        address = address.ipv4_mapped or address
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address == _BROADCAST
    )


async def checked(host: str) -> str:
    """The address to connect to for `host`, an address or a name; a name is good only if all its addresses are, and is
    not looked up again. Raises StatusError (400)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = await _looked_up(host)
    else:
        found = [host]
    if not all(map(proxyable, found)):
        raise not_proxyable()
    return found[0]


async def _looked_up(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise bad_request(f"lookup {host}: no such host") from None
    if not infos:
        raise bad_request("no addresses for hostname")
    return [str(info[4][0]) for info in infos]
