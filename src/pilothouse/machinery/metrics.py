"""The figures of controllers and their queues, under the names that dashboards know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pilothouse.kit.metrics import Registry
from pilothouse.machinery.controller import Controller
from pilothouse.machinery.workqueue import SECONDS

Figures = Mapping[tuple[str, ...], float]


# Those of which upstream tells it, each under a name of its own.
_NAMED_BY_UPSTREAM = ("daemonset-controller", "job-controller", "replicaset-controller", "statefulset-controller")


def _skipped(controller: Controller[Any]) -> Figures:
    return {(): float(controller.skipped)}


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
    told = "Rounds put off because a cache was older than what the controller itself had written."
    registry.read("stale_sync_skips_total", told, each(lambda c: c.skipped), label, kind="counter")
    for controller in controllers:
        if controller.name in _NAMED_BY_UPSTREAM:
            name = f"{controller.name.replace('-', '_')}_stale_sync_skips_total"
            registry.read(name, told, partial(_skipped, controller), kind="counter")
    told = "Seconds that workers have spent on keys they still have."
    registry.read("workqueue_unfinished_work_seconds", told, each(lambda c: sum(c.queue.unfinished())), label)
    told = "Seconds that the slowest worker has had its key."
    longest = each(lambda c: max(c.queue.unfinished(), default=0.0))
    registry.read("workqueue_longest_running_processor_seconds", told, longest, label)
    told = "Seconds that keys waited to be taken."
    waits = registry.histogram("workqueue_queue_duration_seconds", told, label, SECONDS)
    told = "Seconds that a key was worked on."
    works = registry.histogram("workqueue_work_duration_seconds", told, label, SECONDS)
    for controller in controllers:
        waits.adopt(controller.queue.waits, controller.name)
        works.adopt(controller.queue.works, controller.name)
