"""The containers of a pod, of all kinds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core import v1 as core

AnyContainer = core.Container | core.EphemeralContainer


def containers_of(path: str, spec: core.PodSpec) -> Sequence[tuple[str, AnyContainer]]:
    """All containers of a pod in the order that the API visits them, each with its path; `path` is the spec's."""
    groups: tuple[tuple[str, Sequence[AnyContainer]], ...] = (
        ("initContainers", spec.init_containers),
        ("containers", spec.containers or ()),
        ("ephemeralContainers", spec.ephemeral_containers),
    )
    return [(f"{path}.{kind}[{i}]", container) for kind, group in groups for i, container in enumerate(group)]
