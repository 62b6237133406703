"""What health checks find, as the service level indicators at /metrics/slis (KEP 3466)."""

from __future__ import annotations

from pilothouse.kit.metrics import Registry


class HealthResults:
    """The last result of each check, and how often each result came; by the check's name and the list it is on
    (healthz, livez, readyz)."""

    def __init__(self) -> None:
        self.registry = Registry()
        told = "Whether a health check passed when it was last made (1) or failed (0)."
        self._last = self.registry.gauge("kubernetes_healthcheck", told, ("name", "type"))
        told = "Health checks made, by how they ended."
        self._total = self.registry.counter("kubernetes_healthchecks_total", told, ("name", "status", "type"))

    def checked(self, name: str, which: str, passed: bool) -> None:
        self._last.labels(name, which).set(passed)
        self._total.labels(name, "success" if passed else "error", which).inc()
