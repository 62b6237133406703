"""What `[SCHEME:]NAME[:PORT]` in a proxy path means: the address to go to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.api import errors, integers
from pilothouse.api.errors import bad_request
from pilothouse.api.types.core.v1 import Pod, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.apiserver.streaming.addresses import not_proxyable, proxyable
from pilothouse.kit.random import Chance


class Place(NamedTuple):
    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def split_name(text: str, kind: str) -> tuple[str, str, str]:
    """(scheme, name, port), empty where not given. Raises StatusError (400)."""
    parts = text.split(":")
    if len(parts) == 1:
        scheme, name, port = "", parts[0], ""
    elif len(parts) == 2:
        scheme, (name, port) = "", parts
    elif len(parts) == 3 and parts[0] in ("", "http", "https"):
        scheme, name, port = parts
    else:
        name = scheme = port = ""
    if not name:
        raise bad_request(f'invalid {kind} request "{text}"')
    return scheme, name, port


def pod_place(pod: Pod, scheme: str, port: str) -> Place:
    """Raises StatusError (400)."""
    if not port:
        ports = [p.container_port for c in pod.spec.containers or () for p in c.ports or ()]
        port = str(ports[0]) if ports else ("443" if scheme == "https" else "80")
    host = pod.status.pod_ip
    if not proxyable(host):
        raise not_proxyable()
    number = integers.port(port)
    if number is None:
        raise bad_request(f'invalid pod request "{pod.metadata.name}:{port}"')
    return Place(scheme or "http", host, number)


def service_place(service: Service, slices: Sequence[EndpointSlice], scheme: str, port: str, chance: Chance) -> Place:
    """One ready endpoint of a service port, any with equal chance. Raises StatusError (400, 503)."""
    name = service.metadata.name
    port_name = _port_name(service, port)
    found = []
    for held in slices:
        for offered in held.ports or ():
            if (offered.name or "") != port_name or not offered.port:
                continue
            for endpoint in held.endpoints or ():
                ready = endpoint.conditions.ready if endpoint.conditions is not None else None
                if ready is not False:
                    found += [(address, offered.port) for address in endpoint.addresses or ()]
    if not found:
        told = f'no endpoints available for service "{name}"'
        raise errors.make(503, "ServiceUnavailable", told)
    host, number = sorted(found)[chance.below(len(found))]
    if not proxyable(host):
        raise not_proxyable()
    return Place(scheme or "http", host, number)


def _port_name(service: Service, port: str) -> str:
    """The name of the service port that `port` (name or number, "": the only one) means."""
    ports = service.spec.ports or ()
    if not port:
        if len(ports) == 1:
            return ports[0].name or ""
        return ""
    for offered in ports:
        if offered.name == port or offered.port == integers.port(port):
            return offered.name or ""
    if port.isdecimal():
        told = f'no service port {port} found for service "{service.metadata.name}"'
        raise errors.make(503, "ServiceUnavailable", told)
    return port
