"""Which resource's objects use up what a quota names, and what they use in all. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pilothouse.api.facts import Resource
from pilothouse.api.types.core.v1 import ResourceQuota, ResourceQuotaStatus
from pilothouse.semantics import quota as counting

Name = tuple[str, str]
"""Group and name of a resource."""
PODS, SERVICES, CLAIMS = ("", "pods"), ("", "services"), ("", "persistentvolumeclaims")
NEEDED = {"create", "list", "watch", "delete"}
# Never counted, as upstream has it.
IGNORED = {("", "events"), ("events.k8s.io", "events"), ("", "bindings")}
_BY_NAME: dict[str, Name] = {
    "configmaps": ("", "configmaps"),
    "secrets": ("", "secrets"),
    "replicationcontrollers": ("", "replicationcontrollers"),
    "resourcequotas": ("", "resourcequotas"),
    "services": SERVICES,
    "services.nodeports": SERVICES,
    "services.loadbalancers": SERVICES,
    "persistentvolumeclaims": CLAIMS,
    "requests.storage": CLAIMS,
}


def used_by(name: str) -> Name | None:
    """The resource whose objects use up what a quota calls `name`, whether or not it is served; None if we know of
    none. Anything can be counted: `count/PLURAL.GROUP`."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return (group, plural)
    if ".storageclass.storage.k8s.io/" in name:
        return CLAIMS
    known = _BY_NAME.get(name)
    if known is not None:
        return known
    native = ("pods", "cpu", "memory", "ephemeral-storage")
    if name in native or name.startswith(("requests.", "limits.", "hugepages-")):
        return PODS
    return None


def countable(resource: Resource) -> bool:
    return resource.namespaced and set(resource.verbs) >= NEEDED and (resource.group, resource.resource) not in IGNORED


def resources_of(quota: ResourceQuota, served: Mapping[Name, Resource]) -> dict[Name, Resource]:
    """The served resources whose objects a quota counts."""
    named = map(used_by, quota.spec.hard)
    return {name: served[name] for name in named if name is not None and name in served and countable(served[name])}


def decide(
    quota: ResourceQuota, served: Iterable[Name], objects: Iterable[tuple[Resource, Any]], now: float
) -> ResourceQuotaStatus:
    """The status of a quota whose namespace holds these objects, of resources of which only `served` can be counted."""
    known = set(served)
    totals: counting.Usage = {name: Decimal(0) for name in quota.spec.hard if used_by(name) in known}
    for resource, obj in objects:
        if counting.concerns(quota, obj):
            counting.added(totals, counting.usage(resource, obj, now))
    names = [name for name in quota.spec.hard if used_by(name) in known]
    return ResourceQuotaStatus(hard=quota.spec.hard, used=counting.masked(totals, names))
