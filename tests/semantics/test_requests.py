"""Totals of requests and the QoS class, by table."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import Container, Pod, PodSpec, ResourceRequirements
from pilothouse.semantics.requests import as_quantities, compute_qos, pod_limits, pod_requests


def box(cpu: str = "", memory: str = "", *, limits: str = "", restart: str | None = None) -> Container:
    wanted = {k: parse(v) for k, v in (("cpu", cpu), ("memory", memory)) if v}
    bounds = wanted if limits == "same" else {"cpu": parse(limits)} if limits else {}
    return Container(name="c", resources=ResourceRequirements(requests=wanted, limits=bounds), restart_policy=restart)


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        (PodSpec(containers=(box("1"), box("500m"))), "1.5"),
        (PodSpec(containers=(box("1"),), init_containers=(box("3"), box("2"))), "3"),
        (PodSpec(containers=(box("1"),), init_containers=(box("1", restart="Always"), box("3"))), "4"),
        (PodSpec(containers=(box("1"),), init_containers=(box("3"), box("1", restart="Always"))), "3"),
        (PodSpec(containers=(box("1"),), overhead={"cpu": parse("250m")}), "1.25"),
        (PodSpec(containers=(box("1"),), resources=ResourceRequirements(requests={"cpu": parse("4")})), "4"),
    ],
)
def test_requests(spec: PodSpec, cpu: str) -> None:
    assert pod_requests(Pod(spec=spec))["cpu"] == Decimal(cpu)


def test_overhead_raises_only_given_limits() -> None:
    spec = PodSpec(containers=(box("1", limits="2"),), overhead={"cpu": parse("1"), "memory": parse("1Mi")})
    assert {k: str(v) for k, v in as_quantities(pod_limits(spec)).items()} == {"cpu": "3"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ((box(),), "BestEffort"),
        ((box("1"),), "Burstable"),
        ((box("1", "1Gi", limits="same"),), "Guaranteed"),
        ((box("1", "1Gi", limits="same"), box()), "Burstable"),
        ((box("1", "1Gi", limits="2"),), "Burstable"),
    ],
)
def test_qos(containers: tuple[Container, ...], expected: str) -> None:
    assert compute_qos(PodSpec(containers=containers)) == expected
