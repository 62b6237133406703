"""The figures of controllers and their queues, under the names that dashboards know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.kit.metrics import Registry
from pilothouse.machinery.controller import Controller

Figures = Mapping[tuple[str, ...], float]


def expose(registry: Registry, controllers: Sequence[Controller[Any]]) -> None:
    """Add the figures of these controllers to `registry`, each under its name."""

    def each(figure: Callable[[Controller[Any]], float]) -> Callable[[], Figures]:
        return lambda: {(c.name,): float(figure(c)) for c in controllers}

    label = ("name",)
    registry.read("workqueue_depth", "Keys ready to be worked on.", each(lambda c: len(c.queue)), label)
    told = "Keys let into the queue."
    registry.read("workqueue_adds_total", told, each(lambda c: c.queue.added), label, kind="counter")
    told = "Keys added again after a failure."
    registry.read("workqueue_retries_total", told, each(lambda c: c.queue.retried), label, kind="counter")
    told = "Keys that wait for their time."
    registry.read("workqueue_delayed", told, each(lambda c: c.queue.delayed), label)
    registry.read("workqueue_working", "Keys that workers have.", each(lambda c: c.queue.working), label)
    told = "Rounds of reconciliation."
    registry.read("controller_reconciles_total", told, each(lambda c: c.reconciled), label, kind="counter")
    told = "Rounds that failed."
    registry.read("controller_failures_total", told, each(lambda c: c.failed), label, kind="counter")
    told = "Seconds spent in rounds, waiting for answers included."
    registry.read("workqueue_work_duration_seconds_total", told, each(lambda c: c.seconds), label, kind="counter")
