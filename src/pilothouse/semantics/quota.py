"""What objects use up of a ResourceQuota, and which quotas concern them. Pure; the quota controller and the admission
plugin must count alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pilothouse.api.facts import Resource
from pilothouse.api.quantity import Quantity, make
from pilothouse.api.time import parse_time
from pilothouse.api.types.core.v1 import PersistentVolumeClaim, Pod, ResourceQuota, Service
from pilothouse.semantics.pods import is_terminal
from pilothouse.semantics.requests import BEST_EFFORT, compute_qos, pod_limits, pod_requests
from pilothouse.semantics.volumes import class_of

Usage = dict[str, Decimal]
ONE = Decimal(1)
_PLAIN_COUNTS = frozenset(("configmaps", "secrets", "replicationcontrollers", "resourcequotas"))
_NATIVE = frozenset(("cpu", "memory", "ephemeral-storage"))
_LIMITED = frozenset(("cpu", "memory", "ephemeral-storage"))
_STORAGE_CLASS = ".storageclass.storage.k8s.io/"


def usage(resource: Resource, obj: Any, now: float) -> Usage:
    """The amounts that an object uses, by the names that quotas call them."""
    group = f".{resource.group}" if resource.group else ""
    found: Usage = {f"count/{resource.resource}{group}": ONE}
    if isinstance(obj, Pod):
        if counts(obj, now):
            found.update(pod_usage(obj))
    elif isinstance(obj, Service):
        found.update(service_usage(obj))
    elif isinstance(obj, PersistentVolumeClaim):
        found.update(claim_usage(obj))
    elif not resource.group and resource.resource in _PLAIN_COUNTS:
        found[resource.resource] = ONE
    return found


def counts(pod: Pod, now: float) -> bool:
    """Whether a pod still uses anything: not when it has ended, nor when its time to end is over."""
    if is_terminal(pod):
        return False
    gone = pod.metadata.deletion_timestamp
    return gone is None or parse_time(gone) > now


def pod_usage(pod: Pod) -> Usage:
    """A running pod's share."""
    found: Usage = {"pods": ONE}
    for name, value in pod_requests(pod, status_too=True).items():
        if name in _NATIVE or name.startswith("hugepages-"):
            found[name] = value
        found[f"requests.{name}"] = value
    for name, value in pod_limits(pod.spec).items():
        if name in _LIMITED:
            found[f"limits.{name}"] = value
    return found


def service_usage(service: Service) -> Usage:
    """A Service's share: itself, its node ports, its load balancer."""
    found: Usage = {"services": ONE, "services.nodeports": Decimal(0), "services.loadbalancers": Decimal(0)}
    ports = service.spec.ports
    if service.spec.type == "NodePort":
        found["services.nodeports"] = Decimal(len(ports))
    elif service.spec.type == "LoadBalancer":
        allocated = service.spec.allocate_load_balancer_node_ports is not False
        found["services.nodeports"] = Decimal(len(ports) if allocated else sum(bool(p.node_port) for p in ports))
        found["services.loadbalancers"] = ONE
    return found


def claim_usage(claim: PersistentVolumeClaim) -> Usage:
    """A claim's share: itself and its storage, in all and in its class."""
    found: Usage = {"persistentvolumeclaims": ONE}
    name = class_of(claim)
    if name:
        found[f"{name}{_STORAGE_CLASS}persistentvolumeclaims"] = ONE
    size = claim.spec.resources.requests.get("storage")
    if size is not None:
        found["requests.storage"] = size.value
        if name:
            found[f"{name}{_STORAGE_CLASS}requests.storage"] = size.value
    return found


def concerns(quota: ResourceQuota, obj: Any) -> bool:
    """Whether the quota's scopes cover the object; without scopes it covers everything."""
    terms: list[tuple[str, str, tuple[str, ...]]] = [(scope, "Exists", ()) for scope in quota.spec.scopes]
    if quota.spec.scope_selector is not None:
        terms += [(t.scope_name, t.operator, t.values) for t in quota.spec.scope_selector.match_expressions]
    if not terms:
        return True
    if isinstance(obj, Pod):
        return all(_pod_in_scope(obj, *term) for term in terms)
    if isinstance(obj, PersistentVolumeClaim):
        return all(_claim_in_scope(obj, *term) for term in terms)
    return False


def _pod_in_scope(pod: Pod, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    match scope:
        case "Terminating":
            return pod.spec.active_deadline_seconds is not None
        case "NotTerminating":
            return pod.spec.active_deadline_seconds is None
        case "BestEffort":
            return compute_qos(pod.spec) == BEST_EFFORT
        case "NotBestEffort":
            return compute_qos(pod.spec) != BEST_EFFORT
        case "PriorityClass":
            return _named_in(pod.spec.priority_class_name, operator, values)
        case "CrossNamespacePodAffinity":
            return _crosses_namespaces(pod)
    return False


def _claim_in_scope(claim: PersistentVolumeClaim, scope: str, operator: str, values: tuple[str, ...]) -> bool:
    if scope != "VolumeAttributesClass":
        return False
    return _named_in(claim.spec.volume_attributes_class_name or "", operator, values)


def _named_in(name: str, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return bool(name) and name in values
        case "NotIn":
            return name not in values
        case "DoesNotExist":
            return not name
    return bool(name)


def _crosses_namespaces(pod: Pod) -> bool:
    affinity = pod.spec.affinity
    if affinity is None:
        return False
    for held in (affinity.pod_affinity, affinity.pod_anti_affinity):
        if held is None:
            continue
        terms = [
            *held.required_during_scheduling_ignored_during_execution,
            *(p.pod_affinity_term for p in held.preferred_during_scheduling_ignored_during_execution),
        ]
        if any(t.namespaces or t.namespace_selector is not None for t in terms):
            return True
    return False


def added(totals: Usage, more: Mapping[str, Decimal]) -> None:
    """Add `more` to `totals`."""
    for name, value in more.items():
        totals[name] = totals.get(name, Decimal(0)) + value


def masked(totals: Mapping[str, Decimal], names: Iterable[str]) -> dict[str, Quantity]:
    """The totals of `names` as a quota's status shows them; sizes with binary suffixes."""
    found = {}
    for name in names:
        if name in totals:
            sized = "memory" in name or "storage" in name or "hugepages" in name
            sized = sized and not name.endswith("persistentvolumeclaims") and not name.startswith("count/")
            found[name] = make(totals[name], "binary" if sized else "decimal")
    return found
