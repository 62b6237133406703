"""Whether the node takes a pod that was given to it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core.v1 import Node, Pod
from pilothouse.kubelet.features import wants_apparmor
from pilothouse.kubelet.sysctls import SAFE_SYSCTLS, covers, namespace_of, normal_name
from pilothouse.semantics.host_ports import NO_FREE_PORTS, host_ports
from pilothouse.semantics.node_affinity import required_matches
from pilothouse.semantics.requests import pod_requests

OS_LABEL = "kubernetes.io/os"
REJECTED = "Pod was rejected: "


@dataclass(frozen=True, slots=True)
class Refusal:
    reason: str
    message: str


def refusal(
    pod: Pod,
    others: Iterable[Pod],
    node: Node,
    allocatable: Mapping[str, Quantity],
    *,
    apparmor: bool = True,
    allowed_sysctls: Sequence[str] = (),
) -> Refusal | None:
    """Why the node cannot run `pod` beside `others`; None if it can. `apparmor`: it can confine containers;
    `allowed_sysctls`: those that pods may set beyond the safe ones (KubeletConfiguration's allowedUnsafeSysctls)."""
    others = list(others)
    return (
        _bad_sysctl(pod, allowed_sysctls)
        or _other_system(pod)
        or _unprotected(pod, node, apparmor)
        or _no_room(pod, others, allocatable)
        or _no_match(pod, others, node)
    )


def _unprotected(pod: Pod, node: Node, apparmor: bool) -> Refusal | None:
    """What the pod asked for as a protection, and the node cannot give."""
    if not apparmor and wants_apparmor(pod):
        return Refusal("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    context, features = pod.spec.security_context, node.status.features
    strict = context is not None and context.supplemental_groups_policy == "Strict"
    if strict and (features is None or not features.supplemental_groups_policy):
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return Refusal("SupplementalGroupsPolicyNotSupported", text)
    return None


def _other_system(pod: Pod) -> Refusal | None:
    wanted = pod.spec.node_selector.get(OS_LABEL, "linux")
    if wanted != "linux":
        text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
        return Refusal("PodOSSelectorNodeLabelDoesNotMatch", text)
    if pod.spec.os is not None and pod.spec.os.name != "linux":
        return Refusal("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    return None


def _bad_sysctl(pod: Pod, allowed: Sequence[str]) -> Refusal | None:
    """Only those that a pod has for itself alone: each belongs to a namespace, which must not be the node's."""
    context = pod.spec.security_context
    for sysctl in context.sysctls if context is not None else ():
        name = normal_name(sysctl.name)
        if name not in SAFE_SYSCTLS and not any(covers(normal_name(pattern), name) for pattern in allowed):
            return Refusal("SysctlForbidden", f'forbidden sysctl: "{name}" not allowlisted')
        namespace = namespace_of(name)
        if (namespace == "net" and pod.spec.host_network) or (namespace == "ipc" and pod.spec.host_ipc):
            text = f'forbidden sysctl: "{name}" not allowed with host {namespace} enabled'
            return Refusal("SysctlForbidden", text)
    return None


def _no_match(pod: Pod, others: Iterable[Pod], node: Node) -> Refusal | None:
    if not required_matches(pod.spec, node):
        return _failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")
    wanted = host_ports(pod.spec)
    if wanted and any(port.clashes(held) for other in others for held in host_ports(other.spec) for port in wanted):
        return _failed("NodePorts", NO_FREE_PORTS)
    return None


def _failed(predicate: str, why: str) -> Refusal:
    return Refusal(predicate, f"{REJECTED}Predicate {predicate} failed: {why}")


def _no_room(pod: Pod, others: Sequence[Pod], allocatable: Mapping[str, Quantity]) -> Refusal | None:
    room = allocatable.get("pods")
    if room is not None and len(others) + 1 > room.value:
        return _too_much("pods", Decimal(1), Decimal(len(others)), room.value)
    used: dict[str, Decimal] = {}
    for other in others:
        for name, amount in pod_requests(other).items():
            used[name] = used.get(name, Decimal(0)) + amount
    for name, amount in pod_requests(pod).items():
        if name not in allocatable and "/" in name:
            # An extended resource that this node never heard of is the affair of whoever told the scheduler.
            continue
        have = allocatable[name].value if name in allocatable else Decimal(0)
        taken = used.get(name, Decimal(0))
        if amount and amount + taken > have:
            factor = 1000 if name == "cpu" else 1
            return _too_much(name, amount * factor, taken * factor, have * factor)
    return None


def resize_refusal(pod: Pod, others: Sequence[Pod], allocatable: Mapping[str, Quantity]) -> Refusal | None:
    """Why the node cannot give `pod`, which runs, what it now asks for: `Infeasible` if it has not so much at all,
    `Deferred` if `others` have it. Upstream: the container manager's and the predicates' part of resize admission."""
    wanted = pod_requests(pod)
    for name, factor in (("memory", 1), ("cpu", 1000)):
        amount, have = wanted.get(name, Decimal(0)), allocatable[name].value if name in allocatable else Decimal(0)
        if amount > have:
            amounts = f"requested: {int(amount * factor)}, capacity: {int(have * factor)}"
            return Refusal("Infeasible", f"Node didn't have enough capacity: {name}, {amounts}")
    no_room = _no_room(pod, others, allocatable)
    return None if no_room is None else Refusal("Deferred", no_room.message.removeprefix(REJECTED))


def _too_much(name: str, requested: Decimal, used: Decimal, capacity: Decimal) -> Refusal:
    text = (
        f"{REJECTED}Node didn't have enough resource: {name}, "
        f"requested: {int(requested)}, used: {int(used)}, capacity: {int(capacity)}"
    )
    return Refusal(f"OutOf{name}", text)
