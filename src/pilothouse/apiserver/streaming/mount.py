"""The routes of what is carried on."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.apiserver.endpoints.router import Connection
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.streaming.nodes import Kubelets
from pilothouse.apiserver.streaming.pods import PodStreams
from pilothouse.apiserver.streaming.proxying import METHODS, Proxy
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance

AddConnection = Callable[[str, str, Connection], None]
"""Takes a core v1 resource, a subresource, and what serves it."""

_UPGRADED = frozenset(("GET", "POST"))


def mount(add: AddConnection, reader: Reader, kubelets: Kubelets, clock: Clock, chance: Chance) -> None:
    """Serve exec, attach, portforward and log of pods, and proxy of pods, services and nodes.

    Whoever may read a pod may not for that reason run things in it: a WebSocket, and SPDY where a client so likes,
    begins with GET, and still takes the right to create (upstream's AuthorizePodWebsocketUpgradeCreatePermission)."""
    pods = PodStreams(reader, kubelets)
    proxy = Proxy(reader, kubelets, clock, chance)
    for name, handler in (("exec", pods.exec), ("attach", pods.attach), ("portforward", pods.port_forward)):
        add("pods", name, Connection(handler, _UPGRADED, verb="create"))
    add("pods", "log", Connection(pods.log, frozenset(("GET",))))
    for resource, proxied in (("pods", proxy.pod), ("services", proxy.service), ("nodes", proxy.node)):
        add(resource, "proxy", Connection(proxied, frozenset(METHODS), below=True))
