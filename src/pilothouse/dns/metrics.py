"""The DNS server's figures, under the names of the reference's server where it has the same."""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.dns.server import Resolver
from pilothouse.kit.http.pages import Pages, metrics_page
from pilothouse.kit.metrics import Registry

METRICS_PORT = 9153


def metrics_pages(resolver: Resolver) -> Pages:
    """What the metrics port serves."""
    registry = Registry()
    expose(registry, resolver)
    return {"/metrics": metrics_page(registry)}


def expose(registry: Registry, resolver: Resolver) -> None:
    """Add the metrics of `resolver` to `registry`."""
    counters = resolver.counters
    registry.read(
        "coredns_dns_requests_total",
        "Questions, by protocol and type.",
        lambda: {key: float(count) for key, count in counters.requests.items()},
        ("proto", "type"),
        kind="counter",
    )
    registry.read(
        "coredns_dns_responses_total",
        "Answers, by code.",
        lambda: {(rcode,): float(count) for rcode, count in counters.responses.items()},
        ("rcode",),
        kind="counter",
    )
    for name, told, read in (
        ("coredns_forward_requests_total", "Questions asked elsewhere.", lambda: counters.forwarded),
        ("coredns_forward_failures_total", "Questions nobody elsewhere answered.", lambda: counters.forward_failures),
        ("coredns_cache_hits_total", "Answers from the cache.", lambda: counters.cache_hits),
        ("coredns_dns_malformed_total", "Packets that were no question.", lambda: counters.malformed),
    ):
        _single(registry, name, told, read)


def _single(registry: Registry, name: str, told: str, read: Callable[[], int]) -> None:
    registry.read(name, told, lambda: {(): float(read())}, kind="counter")
