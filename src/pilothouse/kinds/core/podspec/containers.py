"""Containers of all three kinds: ports, mounts, and what each kind may have. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.api.field_errors import (
    FieldErrors,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
    too_long,
)
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks, env, probes, resources, security
from pilothouse.semantics.validation.names import dns_label

PROTOCOLS = ("SCTP", "TCP", "UDP")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
READ_ONLY_MODES = ("Disabled", "Enabled", "IfPossible")
RESIZE_RESOURCES = ("cpu", "memory")
RESIZE_POLICIES = ("NotRequired", "RestartContainer")
_RULES_LIMIT, _CODES_LIMIT = 20, 255
_POLICY_NEEDED = "must specify restartPolicy when restart rules are used"
_EPHEMERAL_FORBIDDEN = (
    ("lifecycle", "lifecycle"),
    ("livenessProbe", "liveness_probe"),
    ("readinessProbe", "readiness_probe"),
    ("startupProbe", "startup_probe"),
)


@dataclass(frozen=True, slots=True)
class Around:
    """What of the pod its containers are checked against."""

    volumes: Mapping[str, core.Volume]
    claims: Sequence[str]
    grace: int | None
    restart_policy: str
    host_users: bool | None


def ports(path: str, found: Sequence[core.ContainerPort]) -> FieldErrors:
    errors: FieldErrors = []
    names: set[str] = set()
    for index, port in enumerate(found):
        at = f"{path}[{index}]"
        if port.name:
            if faults := checks.port_name(port.name):
                errors += [invalid(f"{at}.name", port.name, fault) for fault in faults]
            elif port.name in names:
                errors.append(duplicate(f"{at}.name", port.name))
            else:
                names.add(port.name)
        if port.container_port == 0:
            errors.append(required(f"{at}.containerPort"))
        else:
            errors += checks.port_number(f"{at}.containerPort", port.container_port)
        if port.host_port != 0:
            errors += checks.port_number(f"{at}.hostPort", port.host_port)
        errors += checks.one_of(f"{at}.protocol", port.protocol, PROTOCOLS, empty_is="required")
    return errors


def mounts(path: str, container: core.Container | core.EphemeralContainer, around: Around) -> FieldErrors:
    errors: FieldErrors = []
    points: set[str] = set()
    devices = {device.name: device.device_path for device in container.volume_devices}
    for index, mount in enumerate(container.volume_mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            errors.append(required(f"{at}.name"))
        if mount.name not in around.volumes:
            errors.append(not_found(f"{at}.name", mount.name))
        if not mount.mount_path:
            errors.append(required(f"{at}.mountPath"))
        if mount.mount_path in points:
            errors.append(invalid(f"{at}.mountPath", mount.mount_path, "must be unique"))
        points.add(mount.mount_path)
        if mount.name in devices:
            errors.append(invalid(f"{at}.name", mount.name, "must not already exist in volumeDevices"))
        if mount.mount_path in devices.values():
            detail = "must not already exist as a path in volumeDevices"
            errors.append(invalid(f"{at}.mountPath", mount.mount_path, detail))
        if mount.sub_path:
            errors += checks.descending(f"{path}.subPath", mount.sub_path)
        if mount.sub_path_expr:
            if mount.sub_path:
                detail = "subPathExpr and subPath are mutually exclusive"
                errors.append(invalid(f"{at}.subPathExpr", mount.sub_path_expr, detail))
            errors += checks.descending(f"{path}.subPathExpr", mount.sub_path_expr)
        if mount.mount_propagation is not None:
            errors += _propagation(f"{path}.mountPropagation", mount.mount_propagation, container)
        if mount.recursive_read_only is not None:
            errors += _recursive(path, mount)
    return errors


def _propagation(path: str, mode: str, container: core.Container | core.EphemeralContainer) -> FieldErrors:
    found = checks.one_of(path, mode, PROPAGATIONS)
    context = container.security_context
    if mode == "Bidirectional" and not (context is not None and context.privileged):
        found.append(forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))
    return found


def _recursive(path: str, mount: core.VolumeMount) -> FieldErrors:
    mode, at = mount.recursive_read_only, f"{path}.recursiveReadOnly"
    if mode not in READ_ONLY_MODES:
        return [not_supported(at, mode, READ_ONLY_MODES)]
    found: FieldErrors = []
    if mode != "Disabled":
        if not mount.read_only:
            found.append(forbidden(at, "may only be specified when readOnly is true"))
        if mount.mount_propagation not in (None, "None"):
            found.append(forbidden(at, "may only be specified when mountPropagation is None or not specified"))
    return found


def devices(path: str, container: core.Container | core.EphemeralContainer, around: Around) -> FieldErrors:
    errors: FieldErrors = []
    mounted = {mount.name: mount.mount_path for mount in container.volume_mounts}
    names: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container.volume_devices):
        at, name, place = f"{path}[{index}]", device.name, device.device_path
        if not name:
            errors.append(required(f"{at}.name"))
        if name in names:
            errors.append(invalid(f"{at}.name", name, "must be unique"))
        volume = around.volumes.get(name)
        if volume is not None and volume.persistent_volume_claim is None and volume.ephemeral is None:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{at}.name", name, detail))
        if volume is None:
            errors.append(not_found(f"{at}.name", name))
        if not place:
            errors.append(required(f"{at}.devicePath"))
        if place in places:
            errors.append(invalid(f"{at}.devicePath", place, "must be unique"))
        if place and checks.backsteps("", place):
            errors.append(invalid(f"{at}.devicePath", place, "can not contain backsteps ('..')"))
        else:
            places.add(place)
        if name:
            names.add(name)
        if name in mounted:
            errors.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if place in mounted.values():
            errors.append(invalid(f"{at}.devicePath", place, "must not already exist as a path in volumeMounts"))
    return errors


def _resize(path: str, container: core.Container | core.EphemeralContainer, around: Around) -> FieldErrors:
    errors: FieldErrors = []
    seen: set[str] = set()
    for index, policy in enumerate(container.resize_policy):
        if policy.resource_name in seen:
            errors.append(duplicate(f"{path}[{index}]", policy.resource_name))
        seen.add(policy.resource_name)
        errors += checks.one_of(path, policy.resource_name, RESIZE_RESOURCES, empty_is="required")
        errors += checks.one_of(path, policy.restart_policy, RESIZE_POLICIES, empty_is="required")
        if around.restart_policy == "Never" and policy.restart_policy != "NotRequired":
            detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(path, policy.restart_policy, detail))
    return errors


def any_container(path: str, container: core.Container | core.EphemeralContainer, around: Around) -> FieldErrors:
    """What holds for every container; what is unset costs nothing."""
    errors: FieldErrors = []
    if not container.name:
        errors.append(required(f"{path}.name"))
    elif faults := dns_label(container.name, False):
        errors += [invalid(f"{path}.name", container.name, fault) for fault in faults]
    if not container.image:
        errors.append(required(f"{path}.image"))
    if container.termination_message_policy not in MESSAGE_POLICIES:
        where = f"{path}.terminationMessagePolicy"
        errors += checks.one_of(where, container.termination_message_policy, MESSAGE_POLICIES, empty_is="required")
    if container.ports:
        errors += ports(f"{path}.ports", container.ports)
    if container.env:
        errors += env.variables(f"{path}.env", container.env)
    if container.env_from:
        errors += env.sources(f"{path}.envFrom", container.env_from)
    if container.volume_mounts:
        errors += mounts(f"{path}.volumeMounts", container, around)
    if container.volume_devices:
        errors += devices(f"{path}.volumeDevices", container, around)
    if container.image_pull_policy not in PULL_POLICIES:
        where = f"{path}.imagePullPolicy"
        errors += checks.one_of(where, container.image_pull_policy, PULL_POLICIES, empty_is="required")
    errors += resources.requirements(f"{path}.resources", container.resources, around.claims)
    if container.resize_policy:
        errors += _resize(f"{path}.resizePolicy", container, around)
    if container.security_context is not None:
        errors += security.container_context(f"{path}.securityContext", container.security_context, around.host_users)
    return errors


def _restart_rules(path: str, container: core.Container | core.EphemeralContainer) -> FieldErrors:
    errors: FieldErrors = []
    if container.restart_policy is None:
        if container.restart_policy_rules:
            errors.append(required(f"{path}.restartPolicy", _POLICY_NEEDED))
    else:
        errors += checks.one_of(f"{path}.restartPolicy", container.restart_policy, RESTART_POLICIES)
    if len(container.restart_policy_rules) > _RULES_LIMIT:
        errors.append(too_long(f"{path}.restartPolicyRules", _RULES_LIMIT))
    for index, rule in enumerate(container.restart_policy_rules):
        at = f"{path}.restartPolicyRules[{index}]"
        errors += checks.one_of(f"{at}.action", rule.action, ("Restart", "RestartAllContainers"))
        codes = rule.exit_codes
        if codes is None:
            errors.append(required(f"{at}.exitCodes", "must be specified"))
            continue
        errors += checks.one_of(f"{at}.exitCodes.operator", codes.operator, ("In", "NotIn"))
        if len(codes.values) > _CODES_LIMIT:
            errors.append(too_long(f"{at}.exitCodes.values", _CODES_LIMIT))
    return errors


def regular(path: str, found: Sequence[core.Container] | None, around: Around) -> FieldErrors:
    """spec.containers."""
    if not found:
        return [required(path)]
    errors: FieldErrors = []
    names: set[str] = set()
    for index, container in enumerate(found):
        at = f"{path}[{index}]"
        errors += any_container(at, container, around)
        if container.name in names:
            errors.append(duplicate(f"{at}.name", container.name))
        names.add(container.name)
        if container.lifecycle is not None:
            errors += probes.lifecycle(f"{at}.lifecycle", container, around.grace)
        errors += probes.probes(at, container)
        if container.restart_policy is not None or container.restart_policy_rules:
            errors += _restart_rules(at, container)
    return errors + host_port_conflicts(path, found)


def host_port_conflicts(path: str, found: Sequence[core.Container]) -> FieldErrors:
    errors: FieldErrors = []
    taken: set[str] = set()
    for index, container in enumerate(found):
        for number, port in enumerate(container.ports):
            if port.host_port == 0:
                continue
            text = f"{port.protocol}/{port.host_ip}/{port.host_port}"
            if text in taken:
                errors.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", text))
            taken.add(text)
    return errors


def init(path: str, found: Sequence[core.Container], main: Sequence[core.Container], around: Around) -> FieldErrors:
    """spec.initContainers; those that restart always are sidecars and may have hooks and probes."""
    errors: FieldErrors = []
    names = {container.name for container in main}
    for index, container in enumerate(found):
        at = f"{path}[{index}]"
        errors += any_container(at, container, around)
        if container.name in names:
            errors.append(duplicate(f"{at}.name", container.name))
        elif container.name:
            names.add(container.name)
        errors += host_port_conflicts(path, [container])
        if container.restart_policy is not None:
            errors += _restart_rules(at, container)
        elif container.restart_policy_rules:  # told of, not looked at
            errors.append(required(f"{at}.restartPolicy", _POLICY_NEEDED))
        if container.restart_policy == "Always":
            errors += probes.lifecycle(f"{at}.lifecycle", container, around.grace)
            errors += probes.probes(at, container)
            continue
        for name, attribute in _EPHEMERAL_FORBIDDEN:
            if getattr(container, attribute) is not None:
                errors.append(
                    forbidden(f"{at}.{name}", "may not be set for init containers without restartPolicy=Always")
                )
    return errors


def ephemeral(path: str, spec: core.PodSpec, around: Around) -> FieldErrors:
    """spec.ephemeralContainers: no ports, no resources, nothing that would change how the pod lives."""
    errors: FieldErrors = []
    others = {c.name for c in (*(spec.containers or ()), *spec.init_containers)}
    names = set(others)
    for index, container in enumerate(spec.ephemeral_containers):
        at = f"{path}[{index}]"
        errors += any_container(at, container, around)
        if container.name in names:
            errors.append(duplicate(f"{at}.name", container.name))
        names.add(container.name)
        target = container.target_container_name
        if target and target not in others:
            errors.append(not_found(f"{at}.targetContainerName", target))
        for name, value in (
            ("ports", container.ports),
            ("resources", container.resources != core.ResourceRequirements()),
            ("resizePolicy", container.resize_policy),
            ("restartPolicy", container.restart_policy),
            ("restartPolicyRules", container.restart_policy_rules),
            ("livenessProbe", container.liveness_probe),
            ("readinessProbe", container.readiness_probe),
            ("startupProbe", container.startup_probe),
            ("lifecycle", container.lifecycle),
        ):
            if value:
                errors.append(forbidden(f"{at}.{name}", "cannot be set for an Ephemeral Container"))
        for number, mount in enumerate(container.volume_mounts):
            for name, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
                if value:
                    where = f"{at}.volumeMounts[{number}].{name}"
                    errors.append(forbidden(where, "cannot be set for an Ephemeral Container"))
        if container.image != container.image.strip():
            errors.append(invalid(f"{at}.image", container.image, "must not have leading or trailing whitespace"))
    return errors


def whitespace(path: str, found: Sequence[core.Container] | None) -> FieldErrors:
    """What a pod refuses and a template lets pass: blanks around the image."""
    return [
        invalid(f"{path}[{index}].image", container.image, "must not have leading or trailing whitespace")
        for index, container in enumerate(found or ())
        if container.image != container.image.strip()
    ]
