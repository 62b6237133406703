"""Deployments: `revisions` names and finds ReplicaSets, `sizes` says how large each should be, `progress` what the
status tells, `decide` puts them together, `shell` does it."""

from pilothouse.controllers.deployment.shell import build

__all__ = ["build"]
