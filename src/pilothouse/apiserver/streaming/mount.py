"""The routes of what is carried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pilothouse.apiserver.endpoints.context import Handler
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.streaming.nodes import Kubelets
from pilothouse.apiserver.streaming.pods import Authorize, PodStreams
from pilothouse.apiserver.streaming.proxying import METHODS, Proxy
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance

AddHandlers = Callable[[tuple[str, str, str], str, Mapping[str, Handler]], None]
"""Takes (group, version, resource), a subresource, and its handlers by HTTP method."""


def mount(
    add: AddHandlers, reader: Reader, kubelets: Kubelets, clock: Clock, chance: Chance, authorize: Authorize
) -> None:
    """Serve exec, attach, portforward and log of pods, and proxy of pods, services and nodes."""
    pods = PodStreams(reader, kubelets, authorize)
    proxy = Proxy(reader, kubelets, clock, chance)
    upgraded = {"exec": pods.exec, "attach": pods.attach, "portforward": pods.port_forward}
    for name, handler in upgraded.items():
        add(("", "v1", "pods"), name, dict.fromkeys(("GET", "POST"), handler))
    add(("", "v1", "pods"), "log", {"GET": pods.log})
    for resource, proxied in (("pods", proxy.pod), ("services", proxy.service), ("nodes", proxy.node)):
        for name in ("proxy", "proxy/*"):
            add(("", "v1", resource), name, dict.fromkeys(METHODS, proxied))
