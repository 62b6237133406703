"""What the server tells of itself among its metrics."""

from __future__ import annotations

from pilothouse.apiserver.version import VERSION
from pilothouse.kit.metrics import Registry

_NAMES = {
    "major": "major",
    "minor": "minor",
    "git_version": "gitVersion",
    "git_commit": "gitCommit",
    "git_tree_state": "gitTreeState",
    "build_date": "buildDate",
    "go_version": "goVersion",
    "compiler": "compiler",
    "platform": "platform",
}


def expose(registry: Registry) -> None:
    """Add the version to `registry`."""
    told = "Always 1, with the version of Kubernetes that this is."
    labels = tuple(_NAMES)
    values = tuple(str(VERSION.get(name, "")) for name in _NAMES.values())
    registry.gauge("kubernetes_build_info", told, labels).labels(*values).set(1)
