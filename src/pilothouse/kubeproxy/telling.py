"""What the service proxy tells of itself: figures on 127.0.0.1:10249, its health on port 10256 of the node.

Upstream: cmd/kube-proxy serveMetrics and pkg/proxy/healthcheck ProxyHealthServer.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pilothouse.kit.clock import Clock
from pilothouse.kit.http.messages import Response
from pilothouse.kit.http.pages import Pages, metrics_page, text_page
from pilothouse.kit.metrics import Registry
from pilothouse.kubeproxy import metrics
from pilothouse.kubeproxy.runner import ServiceProxy

METRICS_ADDRESS, METRICS_PORT, HEALTH_PORT = "127.0.0.1", 10249, 10256
# So old may a change be that the kernel does not have yet.
LATE_SECONDS = 60.0


def metrics_pages(proxy: ServiceProxy) -> Pages:
    """Those of the metrics port."""
    registry = Registry()
    metrics.expose(registry, proxy)
    return {
        "/metrics": metrics_page(registry),
        "/healthz": text_page("ok"),
        "/proxyMode": text_page("nftables"),
    }


def health_pages(proxy: ServiceProxy, clock: Clock) -> Pages:
    """Those of the health port: load balancers ask `/healthz`, which a node that is to go fails; `/livez` is about the
    proxy alone."""

    def healthz() -> Response:
        return _health(proxy, clock, proxy.node_eligible, f', "nodeEligible": {str(proxy.node_eligible).lower()}')

    return {"/healthz": healthz, "/livez": lambda: _health(proxy, clock, True, "")}


def _health(proxy: ServiceProxy, clock: Clock, eligible: bool, more: str) -> Response:
    now = clock.now()
    since = proxy.waiting_since
    well = eligible and (since is None or clock.monotonic() - since < LATE_SECONDS)
    updated = now if well else proxy.last_updated
    body = f'{{"lastUpdated": "{_time(updated)}","currentTime": "{_time(now)}"{more}}}'
    return Response(200 if well else 503, body.encode(), headers=((b"x-content-type-options", b"nosniff"),))


def _time(at: float) -> str:
    """As Go prints a time."""
    if not at:
        return "0001-01-01 00:00:00 +0000 UTC"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC")
