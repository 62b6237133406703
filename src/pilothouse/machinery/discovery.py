"""What discovery tells, as those need it who treat all resources alike. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pilothouse.api.facts import Resource


def preferred(resources: Iterable[Resource]) -> dict[tuple[str, str], Resource]:
    """Each resource, by group and name, in the first version that discovery tells, which is the preferred one."""
    found: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        found.setdefault((resource.group, resource.resource), resource)
    return found


def by_kind(resources: Iterable[Resource]) -> Mapping[tuple[str, str], Resource]:
    """Each resource by the apiVersion and kind of its objects, in all its versions."""
    found: dict[tuple[str, str], Resource] = {}
    for resource in resources:
        found.setdefault((resource.api_version, resource.kind), resource)
    return found
