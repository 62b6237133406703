"""What may become of a pod's status. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import (
    FieldErrors,
    all_invalid,
    duplicate,
    forbidden,
    internal,
    invalid,
    not_supported,
    required,
)
from pilothouse.api.types.core import v1 as core
from pilothouse.api.types.core.v1 import ContainerStatus, Pod, PodResourceClaimStatus
from pilothouse.kinds.core.podspec import annotated, checks, gated
from pilothouse.kinds.strategy import Write
from pilothouse.semantics.container_restarts import could_restart_all, matching_rule, should_restart
from pilothouse.semantics.validation.names import dns_label, dns_subdomain

SYSTEM_CONDITIONS = frozenset({"PodScheduled", "Ready", "Initialized"})
HEALTHS = ("Healthy", "Unhealthy", "Unknown")
_NON_NEGATIVE = "must be a non-negative integer"
_NO_CONTAINER = "must match the name of an entry in spec.initContainers.name or spec.containers.name"
_NO_REQUEST = (
    "must match the extended resource name of an entry in spec.initContainers.resources.requests or "
    "spec.containers.resources.requests"
)


def prepare(new: Pod, old: Pod, write: Write) -> Pod:
    """A status without a QoS class keeps the old one; fields of features that are off by default are dropped."""
    status = gated.without_gated_status(new.status, old.status)
    if not status.qos_class:
        status = replace(status, qos_class=old.status.qos_class)
    return new if status is new.status else replace(new, status=status)


def validate(new: Pod, old: Pod) -> FieldErrors:
    """Errors of an update through `status`; metadata is checked already."""
    status, before = new.status, old.status
    errors = annotated.changed("metadata.annotations", new, old)
    for index, condition in enumerate(status.conditions):
        at = f"status.conditions[{index}]"
        if condition.type not in SYSTEM_CONDITIONS:
            errors += checks.qualified(f"{at}.Type", condition.type)
        if condition.observed_generation < 0:
            errors.append(invalid(f"{at}.observedGeneration", condition.observed_generation, _NON_NEGATIVE))
    if status.observed_generation < 0:
        errors.append(invalid("status.observedGeneration", status.observed_generation, _NON_NEGATIVE))
    nominated = status.nominated_node_name
    if nominated and nominated != before.nominated_node_name:
        errors += checks.subdomain("status.nominatedNodeName", nominated)
        if old.spec.node_name:
            detail = "may not be set on pods that are already bound to a node"
            errors.append(forbidden("status.nominatedNodeName", detail))
    if status.qos_class != before.qos_class:
        errors.append(invalid("status.qosClass", status.qos_class, "field is immutable"))
    errors += _transitions(new, old)
    errors += _claims(status.resource_claim_statuses, {claim.name for claim in new.spec.resource_claims})
    if status.extended_resource_claim_status is not None:
        errors += _extended(status.extended_resource_claim_status, new.spec)
    errors += _addresses("status.podIPs", status.pod_ips)
    if status.host_ips and status.host_ips[0].ip != status.host_ip:
        errors.append(invalid("status.hostIPs[0].ip", status.host_ips[0].ip, "must be equal to `hostIP`"))
    return errors + _addresses("status.hostIPs", status.host_ips) + _containers(new)


def _transitions(new: Pod, old: Pod) -> FieldErrors:
    """Containers that have ended for good stay ended. Where an exit may restart the whole pod, none has."""
    spec, status, before = old.spec, new.status, old.status
    init = {one.name: one for one in spec.init_containers}
    regular = {one.name: one for one in spec.containers or ()}

    def regular_again(name: str, code: int) -> bool:
        return name in regular and should_restart(regular[name], spec, code)

    def init_again(name: str, code: int) -> bool:
        return spec.restart_policy == "Always" or _init_again(init.get(name), spec, code)

    errors: FieldErrors = []
    if not could_restart_all(spec):
        at = "status.containerStatuses"
        errors += _ended(at, status.container_statuses, before.container_statuses, regular_again)
        at = "status.initContainerStatuses"
        errors += _ended(at, status.init_container_statuses, before.init_container_statuses, init_again)
    at, former = "status.ephemeralContainerStatuses", before.ephemeral_container_statuses
    return errors + _ended(at, status.ephemeral_container_statuses, former, lambda name, code: False)


def _init_again(container: core.Container | None, spec: core.PodSpec, code: int) -> bool:
    if container is None:
        return code != 0 and spec.restart_policy == "OnFailure"
    if code == 0 and container.restart_policy != "Always":
        return matching_rule(container, code) is not None
    return should_restart(container, spec, code)


def _ended(
    path: str, new: Sequence[ContainerStatus], old: Sequence[ContainerStatus], again: Callable[[str, int], bool]
) -> FieldErrors:
    """`again`: whether a container of that name that ended with that code may run again."""
    errors: FieldErrors = []
    going_on = {after.name for after in new if after.state.terminated is None}
    for index, former in enumerate(old):
        end = former.state.terminated
        if end is None or again(former.name, end.exit_code):
            continue
        if former.name in going_on:
            detail = "may not be transitioned to non-terminated state"
            errors.append(forbidden(f"{path}[{index}].state", detail))
    return errors


def _claims(found: Sequence[PodResourceClaimStatus], known: Collection[str]) -> FieldErrors:
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, claim in enumerate(found):
        at = f"status.resourceClaimStatuses[{index}].name"
        if claim.name not in known:
            detail = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(invalid(at, claim.name, detail))
        if claim.name in seen:
            errors.append(duplicate(at, claim.name))
        seen.add(claim.name)
        if (name := claim.resource_claim_name) is not None:
            errors += all_invalid(at, name, dns_subdomain(name, False))
    return errors


def _extended(found: core.PodExtendedResourceClaimStatus, spec: core.PodSpec) -> FieldErrors:
    """The claim that stands in for extended resources, and which container asked for which of them."""
    errors: FieldErrors = []
    at = "status.extendedResourceClaimStatus"
    mappings = found.request_mappings or ()
    if not mappings:
        errors.append(required(f"{at}.requestMappings", "at least one request mapping is required"))
    containers = {one.name: one for one in (*spec.init_containers, *(spec.containers or ()))}
    seen: set[core.ContainerExtendedResourceRequest] = set()
    for index, mapping in enumerate(mappings):
        one = f"{at}.requestMappings[{index}]"
        container = containers.get(mapping.container_name)
        if container is None:
            errors.append(invalid(f"{one}.containerName", mapping.container_name, _NO_CONTAINER))
        elif mapping.resource_name not in container.resources.requests:
            errors.append(invalid(f"{one}.resourceName", mapping.resource_name, _NO_REQUEST))
        errors += all_invalid(f"{at}.requestName", mapping.request_name, dns_label(mapping.request_name))
        if mapping in seen:
            errors.append(duplicate(f"{one}.containerName", mapping.container_name))
            errors.append(duplicate(f"{one}.resourceName", mapping.resource_name))
            errors.append(duplicate(f"{one}.requestName", mapping.request_name))
        seen.add(mapping)
    if not found.resource_claim_name:
        return [*errors, required(f"{at}.resourceClaimName")]
    return errors + checks.subdomain(f"{at}.resourceClaimName", found.resource_claim_name)


def _addresses(path: str, found: Sequence[core.PodIP | core.HostIP]) -> FieldErrors:
    """At most one of each family."""
    errors: FieldErrors = []
    texts = [one.ip for one in found]
    for index, text in enumerate(texts):
        errors += checks.ip(f"{path}[{index}]", text)
    if len(texts) < 2:
        return errors
    bad = next((text for text in texts if not checks.is_ip(text)), None)
    if bad is not None:
        told = f"invalid IP[{texts.index(bad)}]: {bad}"
        errors.append(internal(path, f"failed to check for dual stack with error:{told}"))
    if bad is not None or len(texts) > 2 or len({ipaddress.ip_address(text).version for text in texts}) < 2:
        errors.append(invalid(path, found, "may specify no more than one IP for each IP family"))
    return errors


def _containers(pod: Pod) -> FieldErrors:
    spec, status, errors = pod.spec, pod.status, FieldErrors()
    groups: tuple[tuple[str, Sequence[ContainerStatus], Sequence[core.Container] | None], ...] = (
        ("containerStatuses", status.container_statuses, spec.containers or ()),
        ("initContainerStatuses", status.init_container_statuses, spec.init_containers),
        ("ephemeralContainerStatuses", status.ephemeral_container_statuses, None),
    )
    for name, found, containers in groups:
        for index, one in enumerate(found):
            at = f"status.{name}[{index}]"
            errors += _user(f"{at}.user.linux", one.user, windows=spec.os is not None and spec.os.name == "windows")
            if not one.allocated_resources_status:
                continue
            at = f"{at}.allocatedResourcesStatus"
            if containers is None:
                errors.append(forbidden(at, "must not be specified in container status"))
            else:
                errors += _devices(at, one, next((c for c in containers if c.name == one.name), None))
    return errors


def _user(path: str, user: core.ContainerUser | None, *, windows: bool) -> FieldErrors:
    linux = user.linux if user is not None else None
    if linux is None:
        return []
    if windows:
        return [forbidden(path, "cannot be set for a windows pod")]
    numbers: list[tuple[str, int]] = [("uid", linux.uid), ("gid", linux.gid)]
    numbers += [(f"supplementalGroups[{i}]", group) for i, group in enumerate(linux.supplemental_groups)]
    fault = checks.between(0, 2**31 - 1)
    return [invalid(f"{path}.{name}", value, fault) for name, value in numbers if not 0 <= value <= 2**31 - 1]


def _devices(path: str, status: ContainerStatus, container: core.Container | None) -> FieldErrors:
    errors: FieldErrors = []
    for index, group in enumerate(status.allocated_resources_status):
        at = f"{path}[{index}]"
        if container is not None and (fault := _unknown_device(group.name, container.resources)):
            errors.append(invalid(f"{at}.name", group.name, fault))
        seen: set[str] = set()
        for number, device in enumerate(group.resources):
            where = f"{at}.resources[{number}]"
            if device.health not in HEALTHS:
                errors.append(not_supported(f"{where}.health", device.health, HEALTHS))
            if device.resource_id in seen:
                errors.append(duplicate(f"{where}.resourceID", device.resource_id))
            seen.add(device.resource_id)
    return errors


def _unknown_device(name: str, asked: core.ResourceRequirements) -> str:
    """Why a container that asks for `asked` cannot have got `name`; empty if it can."""
    if not name.startswith("claim:"):
        return "" if name in asked.requests else "must match one of the container's resource requests"
    if any(name == f"claim:{one.name}" + (f"/{one.request}" if one.request else "") for one in asked.claims):
        return ""
    return (
        "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or "
        "'claim:<claimName>' if request is empty"
    )
