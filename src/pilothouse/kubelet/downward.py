"""What the downward API lets a container know of its own pod. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import Container, EphemeralContainer, ObjectFieldSelector, Pod, ResourceFieldSelector

_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['(.*)'\]$")


class UnknownField(ValueError):
    """A path that the downward API does not offer."""


def quoted(text: str) -> str:
    """Text in Go's quotes, as label files have it."""
    table = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(table.get(c, c) for c in text) + '"'


def lines_of(values: Mapping[str, str]) -> str:
    """A map as a downward API file shows it."""
    return "\n".join(f"{key}={quoted(value)}" for key, value in sorted(values.items()))


def field(pod: Pod, selector: ObjectFieldSelector, pod_ips: tuple[str, ...], host_ips: tuple[str, ...]) -> str:
    """The value of a fieldRef. Raises UnknownField."""
    path, meta = selector.field_path, pod.metadata
    if match := _SUBSCRIPT.match(path):
        values = meta.labels if match.group(1) == "labels" else meta.annotations
        return values.get(match.group(2), "")
    plain = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "metadata.labels": lines_of(meta.labels),
        "metadata.annotations": lines_of(meta.annotations),
        "spec.nodeName": pod.spec.node_name,
        "spec.serviceAccountName": pod.spec.service_account_name,
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    if path not in plain:
        raise UnknownField(f"unsupported fieldPath: {path}")
    return plain[path]


def resource(
    pod: Pod, own: Container | EphemeralContainer | None, selector: ResourceFieldSelector, node: Mapping[str, Quantity]
) -> str:
    """The value of a resourceFieldRef in units of its divisor, rounded up; a limit that is not set is that of the pod
    as a whole, else what the node has. Raises UnknownField."""
    container = own
    if selector.container_name:
        everything = (*(pod.spec.containers or ()), *pod.spec.init_containers)
        container = next((c for c in everything if c.name == selector.container_name), None)
    if container is None:
        raise UnknownField(f"container {selector.container_name} not found")
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests"):
        raise UnknownField(f"unsupported container resource : {selector.resource}")
    amounts = container.resources.limits if kind == "limits" else container.resources.requests
    found = amounts.get(name)
    if found is None and kind == "limits":
        found = _whole_limit(pod, name) or node.get(name)
    amount = found.value if found is not None else Decimal(0)
    divisor = selector.divisor.value or Decimal(1)
    return str(int((amount / divisor).to_integral_value(rounding=ROUND_CEILING)))


def _whole_limit(pod: Pod, name: str) -> Quantity | None:
    return pod.spec.resources.limits.get(name) if pod.spec.resources is not None else None
