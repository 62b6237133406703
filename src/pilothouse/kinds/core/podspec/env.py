"""Environment variables and the fields and resources of a pod that they, and volumes, may refer to. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pilothouse.api.field_errors import FieldErrors, all_invalid, invalid, not_supported, required
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, qualified_name

ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_FIELD_LABELS = frozenset({*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"})
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_SUBSCRIPT = re.compile(r"(.+?)\['(.*)'\]\Z", re.DOTALL)
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def field_selector(path: str, selector: core.ObjectFieldSelector, allowed: Sequence[str]) -> FieldErrors:
    """A reference to a field of the pod, of those `allowed` where it is used."""
    if not selector.api_version:
        return [required(f"{path}.apiVersion")]
    if not selector.field_path:
        return [required(f"{path}.fieldPath")]
    label = selector.field_path
    subscripted = _SUBSCRIPT.match(label)
    fault = ""
    if selector.api_version != "v1":
        fault = f"unsupported pod version: {selector.api_version}"
    elif subscripted:
        if subscripted[1] not in ("metadata.annotations", "metadata.labels"):
            fault = f"field label does not support subscript: {label}"
    elif label == "spec.host":
        label = "spec.nodeName"
    elif label not in _FIELD_LABELS:
        fault = f"field label not supported: {label}"
    if fault:
        return [invalid(f"{path}.fieldPath", selector.field_path, f"error converting fieldPath: {fault}")]
    if subscripted:
        key = subscripted[2].lower() if subscripted[1] == "metadata.annotations" else subscripted[2]
        return [invalid(path, key, text) for text in qualified_name(key)]
    return [] if label in allowed else [not_supported(f"{path}.fieldPath", label, allowed)]


def resource_selector(path: str, selector: core.ResourceFieldSelector, *, in_volume: bool) -> FieldErrors:
    """A reference to a container's request or limit; in a volume it must name the container."""
    found: FieldErrors = []
    if in_volume and not selector.container_name:
        found.append(required(f"{path}.containerName"))
    elif not selector.resource:
        found.append(required(f"{path}.resource"))
    elif selector.resource not in RESOURCES and not selector.resource.startswith(_HUGE):
        found.append(not_supported(f"{path}.resource", selector.resource, RESOURCES))
    return found + _divisor(path, selector)


def _divisor(path: str, selector: core.ResourceFieldSelector) -> FieldErrors:
    divisor, name = selector.divisor.text, selector.resource
    valid: tuple[str, ...]
    if not selector.divisor:
        return []
    if name in ("limits.cpu", "requests.cpu"):
        valid, what = ("1m", "1"), "1m and 1 are supported with the cpu resource"
    else:
        kinds = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
        own = kinds.get(name.partition(".")[2], "") if name in RESOURCES else ""
        kind = own or ("hugepages" if name.startswith(_HUGE) else "")
        if not kind:
            return []
        valid, what = _SIZES, f"{', '.join(_SIZES)} are supported with the {kind} resource"
    return [] if divisor in valid else [invalid(f"{path}.divisor", name, f"only divisor's values {what}")]


def _key_selector(path: str, name: str, key: str) -> FieldErrors:
    found = checks.subdomain(f"{path}.name", name)
    if not key:
        return [*found, required(f"{path}.key")]
    return found + [invalid(f"{path}.key", key, fault) for fault in checks.config_key(key)]


def _file_key(path: str, selector: core.FileKeySelector) -> FieldErrors:
    found: FieldErrors = []
    if not selector.key:
        found.append(required(f"{path}.key"))
    else:
        found += [invalid(f"{path}.key", selector.key, fault) for fault in checks.env_name(selector.key)]
    name = selector.volume_name
    if not name:
        found.append(required(f"{path}.volumeName"))
    else:
        found += all_invalid(f"{path}.volumeName", name, dns_label(name, False))
    if not selector.path:
        return [*found, required(f"{path}.path")]
    return found + checks.backsteps(f"{path}.path", selector.path)


def _source(path: str, env: core.EnvVar, source: core.EnvVarSource) -> FieldErrors:
    found: FieldErrors = []
    count = 0
    if source.field_ref is not None:
        count += 1
        found += field_selector(f"{path}.fieldRef", source.field_ref, ENV_FIELDS)
    if source.resource_field_ref is not None:
        count += 1
        found += resource_selector(f"{path}.resourceFieldRef", source.resource_field_ref, in_volume=False)
    if (config := source.config_map_key_ref) is not None:
        count += 1
        found += _key_selector(f"{path}.configMapKeyRef", config.name, config.key)
    if (secret := source.secret_key_ref) is not None:
        count += 1
        found += _key_selector(f"{path}.secretKeyRef", secret.name, secret.key)
    if source.file_key_ref is not None:
        count += 1
        found += _file_key(f"{path}.fileKeyRef", source.file_key_ref)
    if count == 0:
        kinds = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        found.append(invalid(path, "", f"must specify one of: {kinds}"))
    elif env.value:
        found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        found.append(invalid(path, "", "may not have more than one field specified at a time"))
    return found


def variables(path: str, found: Sequence[core.EnvVar]) -> FieldErrors:
    errors: FieldErrors = []
    for index, env in enumerate(found):
        if not env.name:
            errors.append(required(f"{path}[{index}].name"))
        elif faults := checks.env_name(env.name):
            errors += [invalid(f"{path}[{index}].name", env.name, fault) for fault in faults]
        if env.value_from is not None:
            errors += _source(f"{path}[{index}].valueFrom", env, env.value_from)
    return errors


def sources(path: str, found: Sequence[core.EnvFromSource]) -> FieldErrors:
    errors: FieldErrors = []
    for index, one in enumerate(found):
        at = f"{path}[{index}]"
        if one.prefix:
            errors += [invalid(f"{at}.prefix", one.prefix, fault) for fault in checks.env_name(one.prefix)]
        count = 0
        for kind, reference in (("configMapRef", one.config_map_ref), ("secretRef", one.secret_ref)):
            if reference is None:
                continue
            count += 1
            name = reference.name
            faults = dns_subdomain(name, True)  # as a prefix: a trailing dash is let through
            errors += all_invalid(f"{at}.{kind}.name", name, faults) if name else [required(f"{at}.{kind}.name")]
        if count == 0:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif count > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))
    return errors
