"""The figures that are exposed."""

from __future__ import annotations

from pilothouse.dns import metrics
from pilothouse.kit.metrics import Registry
from tests.dns.test_wire import asked, resolver


def test_figures() -> None:
    at, registry = resolver(), Registry()
    metrics.expose(registry, at)
    at.answer(asked("no.default.svc.cluster.local"), 512)
    at.answer(b"\0" * 12, 512)
    text = registry.text()
    assert 'coredns_dns_requests_total{proto="udp",type="A"} 1' in text
    assert 'coredns_dns_responses_total{rcode="NXDOMAIN"} 1' in text
    assert "coredns_dns_malformed_total 1" in text
