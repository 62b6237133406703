"""How the API server reaches kubelets."""

from __future__ import annotations

import os
import ssl
from typing import Protocol

from pilothouse.api import errors
from pilothouse.api.types.core.v1 import Node
from pilothouse.apiserver.streaming.addresses import checked
from pilothouse.kit import tls
from pilothouse.kit.clock import Clock
from pilothouse.kit.http.client import dial
from pilothouse.kit.http.messages import RawStream

PREFERRED = ("InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS")


class Kubelets(Protocol):
    """Connections to the kubelets of this cluster."""

    async def connect(self, node: Node) -> RawStream:
        """A connection that shows the API server's own certificate. Raises OSError, StatusError (400) if the node says
        that its kubelet is where clients may not be led."""
        ...


def address_of(node: Node) -> str:
    """Where a node's kubelet is. Raises StatusError (500)."""
    for kind in PREFERRED:
        for address in node.status.addresses or ():
            if address.type == kind:
                return address.address
    found = [f"{a.type}:{a.address}" for a in node.status.addresses or ()]
    raise errors.make(500, "", f"no preferred addresses found; known addresses: [{' '.join(found)}]")


def port_of(node: Node) -> int:
    endpoints = node.status.daemon_endpoints
    kubelet = endpoints.kubelet_endpoint if endpoints is not None else None
    return (kubelet.port if kubelet is not None else 0) or 10250


class DialError(OSError):
    """A connection that could not be made; the text is what clients are shown."""


async def reach(host: str, port: int, context: ssl.SSLContext | None, clock: Clock) -> RawStream:
    """A connection to an address or a name that a client may be led to. Raises DialError, StatusError (400)."""
    address = await checked(host)
    return await _connected(address, port, context, clock, host)


async def _connected(host: str, port: int, context: ssl.SSLContext | None, clock: Clock, server_name: str) -> RawStream:
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        return await dial(host, port, context, clock=clock, server_name=server_name)
    except TimeoutError:
        raise DialError(f"dial tcp {shown}: i/o timeout") from None
    except ssl.SSLError as error:
        raise DialError(f"tls: {error.reason or error}") from None
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else str(error)
        raise DialError(f"dial tcp {shown}: connect: {why}") from None


class SecureKubelets:
    """Reaches kubelets over TLS. `host` is the address to dial instead of the nodes' own (nodes without a network of
    their own are all on the loopback); certificates are always checked against the node's address."""

    def __init__(self, authority: bytes, pair: tls.KeyPair, clock: Clock, host: str = "") -> None:
        self._context = tls.client_context(authority, pair)
        self._clock = clock
        self._host = host

    def use(self, pair: tls.KeyPair) -> None:
        """Show `pair` on connections that are made from now on."""
        tls.replace_pair(self._context, pair)

    async def connect(self, node: Node) -> RawStream:
        address = await checked(address_of(node))
        return await _connected(self._host or address, port_of(node), self._context, self._clock, address_of(node))


class NoKubelets:
    """A server without nodes."""

    async def connect(self, node: Node) -> RawStream:
        raise OSError("no route to any kubelet")
