"""Objects that the tests of several client libraries create."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.kit.clock import SystemClock, pause

CLOCK = SystemClock()


def pod(name: str, **labels: str) -> dict[str, Any]:
    """A pod that a simulated node runs."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "busybox", "command": ["sleep", "3600"]}]},
    }  # fmt: skip


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str, replicas: int) -> dict[str, Any]:
    template = pod(name, app=name)
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": template["spec"]},
        },
    }  # fmt: skip


def eventually(ask: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer."""
    end = CLOCK.monotonic() + seconds
    while CLOCK.monotonic() < end:
        if answer := ask():
            return answer
        pause(0.05)
    raise AssertionError(f"{ask} had no answer in {seconds} s")
