from __future__ import annotations

import math

import pytest

from pilothouse.kit.metrics import Registry


def test_text() -> None:
    registry = Registry()
    requests = registry.counter("requests_total", "Requests.", ("verb", "path"))
    requests.labels("GET", 'a"b\\c\nd').inc()
    requests.labels("GET", 'a"b\\c\nd').inc(2)
    registry.gauge("fill", "How\nfull.").labels().set(0.25)
    seconds = registry.histogram("seconds", "Time.", ("verb",), buckets=(0.1, 1))
    for value in (0.05, 0.1, 0.5, 3):
        seconds.labels("GET").observe(value)
    registry.read("watchers", "Open watches.", lambda: {("pods",): 3, ("nodes",): 1e20}, ("resource",))
    assert registry.text() == (
        "# HELP fill How\\nfull.\n# TYPE fill gauge\nfill 0.25\n"
        "# HELP requests_total Requests.\n# TYPE requests_total counter\n"
        'requests_total{verb="GET",path="a\\"b\\\\c\\nd"} 3\n'
        "# HELP seconds Time.\n# TYPE seconds histogram\n"
        'seconds_bucket{verb="GET",le="0.1"} 2\nseconds_bucket{verb="GET",le="1"} 3\n'
        'seconds_bucket{verb="GET",le="+Inf"} 4\nseconds_sum{verb="GET"} 3.65\nseconds_count{verb="GET"} 4\n'
        "# HELP watchers Open watches.\n# TYPE watchers gauge\n"
        'watchers{resource="pods"} 3\nwatchers{resource="nodes"} 1e+20\n'
    )


def test_a_metric_without_labels_is_there_from_the_start() -> None:
    registry = Registry()
    registry.counter("a_total", "A.")
    assert "a_total 0\n" in registry.text()


def test_misuse_is_told() -> None:
    registry = Registry()
    family = registry.gauge("a", "A.", ("x",))
    with pytest.raises(ValueError, match="labels"):
        family.labels("1", "2")
    with pytest.raises(ValueError, match="already"):
        registry.counter("a", "A.")
    family.labels("1").inc()
    family.remove("1")
    assert "x=" not in registry.text()


def test_quantiles_are_upper_bounds() -> None:
    histogram = Registry().histogram("h", "H.", buckets=(1, 2, 4)).labels()
    for value in (0.5,) * 90 + (3,) * 9 + (100,):
        histogram.observe(value)
    assert (histogram.quantile(0.9), histogram.quantile(0.99), histogram.quantile(1)) == (1, 4, math.inf)
