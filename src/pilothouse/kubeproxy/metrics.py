"""The service proxy's figures under the names that dashboards know."""

from __future__ import annotations

from pilothouse.kit.metrics import Registry
from pilothouse.kubeproxy.runner import ServiceProxy


def expose(registry: Registry, proxy: ServiceProxy) -> None:
    """Add the metrics of `proxy` to `registry`."""
    registry.read(
        "kubeproxy_sync_proxy_rules_total", "Transactions sent.", lambda: {(): float(proxy.syncs)}, kind="counter"
    )
    registry.read(
        "kubeproxy_sync_proxy_rules_last_duration_seconds",
        "How long the last transaction took.",
        lambda: {(): proxy.last_sync_seconds},
    )
    registry.read(
        "kubeproxy_sync_proxy_rules_failures_total",
        "Transactions the kernel refused.",
        lambda: {(): float(proxy.refusals)},
        kind="counter",
    )
    registry.read(
        "kubeproxy_sync_proxy_rules_services",
        "Services with rules.",
        lambda: {(): float(len(proxy.state.table.fragments()))},
    )
