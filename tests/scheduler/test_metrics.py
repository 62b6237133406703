"""The figures that are exposed."""

from __future__ import annotations

from pilothouse.kit.metrics import Registry
from pilothouse.kit.tasks import TaskScope
from pilothouse.scheduler import metrics
from pilothouse.testing.clock import VirtualClock
from tests.scheduler.build import node, pod
from tests.scheduler.test_runner import Lab


async def test_figures(clock: VirtualClock) -> None:
    async with TaskScope("test") as scope:
        lab = Lab(clock, scope)
        registry = Registry()
        metrics.expose(registry, lab.scheduler)
        await lab.scheduler.wait_ready()
        await lab.create(node("a", cpu="1"), pod("p", cpu="1"), pod("q", cpu="1"))
        await lab.settle()
        text = registry.text()
    assert 'scheduler_pending_pods{queue="unschedulable"} 1' in text
    assert 'scheduler_schedule_attempts_total{profile="default-scheduler",result="scheduled"} 1' in text
    assert 'scheduler_cache_size{type="nodes"} 1' in text
