"""The scheduler's figures under the names that dashboards know."""

from __future__ import annotations

from collections.abc import Mapping

from pilothouse.kit.metrics import Registry
from pilothouse.scheduler.runner import Scheduler


def expose(registry: Registry, scheduler: Scheduler, profile: str = "default-scheduler") -> None:
    """Add the metrics of `scheduler` to `registry`."""
    counters = scheduler.counters

    def pending() -> Mapping[tuple[str, ...], float]:
        counts = scheduler.watching.queue.counts
        return {(name,): float(counts[name]) for name in ("active", "backoff", "gated", "unschedulable")}

    def attempts() -> Mapping[tuple[str, ...], float]:
        return {
            (profile, "scheduled"): counters.scheduled,
            (profile, "unschedulable"): counters.unschedulable,
            (profile, "error"): counters.errors,
        }

    def sizes() -> Mapping[tuple[str, ...], float]:
        watching = scheduler.watching
        return {("nodes",): float(len(watching.snapshot)), ("assumed_pods",): float(len(watching.assumed))}

    def deciding() -> Mapping[tuple[str, ...], float]:
        return {(): counters.deciding_seconds}

    registry.read("scheduler_pending_pods", "Pods that wait, by queue.", pending, ("queue",))
    told = "Attempts to schedule pods, by result."
    registry.read("scheduler_schedule_attempts_total", told, attempts, ("profile", "result"), kind="counter")
    told = "Seconds spent on deciding, without binding."
    registry.read("scheduler_scheduling_algorithm_seconds_total", told, deciding, kind="counter")
    registry.read("scheduler_cache_size", "Objects in the scheduler's cache.", sizes, ("type",))
