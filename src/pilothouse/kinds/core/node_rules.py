"""Validation of Nodes: taints (reported at `metadata.taints`, as upstream has it), resources, pod ranges. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from pilothouse.api.codec.json import decode
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
from pilothouse.api.go_text import quote
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.core.podspec.resources import amount
from pilothouse.kit.repeats import repeated
from pilothouse.semantics.validation import addresses, selectors
from pilothouse.semantics.validation.names import dns_label, dns_subdomain, label_value, longer

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
PREFER_AVOID_PODS = "scheduler.alpha.kubernetes.io/preferAvoidPods"
_UNIQUE = "taints must be unique by key and effect pair"
_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*\Z")
_FEATURE_LIMIT = 253
_FEATURE_FAULT = (
    "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
    "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
)
_ONE_SOURCE = "exactly one reference subfield must be non-nil"


def taints(path: str, found: Sequence[core.Taint]) -> FieldErrors:
    errors: FieldErrors = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(found):
        at = f"{path}[{index}]"
        errors += selectors.label_name(f"{at}.key", taint.key)
        if faults := label_value(taint.value):
            errors.append(invalid(f"{at}.value", taint.value, ";".join(faults)))
        if taint.effect not in EFFECTS:
            where = f"{at}.effect"
            errors.append(not_supported(where, taint.effect, EFFECTS) if taint.effect else required(where))
        if (taint.effect, taint.key) in seen:
            errors.append(duplicate(at, taint)._replace(detail=_UNIQUE))
        seen.add((taint.effect, taint.key))
    return errors


def _annotations(path: str, found: Mapping[str, str]) -> FieldErrors:
    """The old annotation that lists whose pods a node would rather not have."""
    text = found.get(PREFER_AVOID_PODS)
    if not text:
        return []
    try:
        avoided = decode(text.encode(), core.AvoidPods)
    except (msgspec.DecodeError, ValueError) as error:
        return [invalid(f"{path}.AvoidPods", PREFER_AVOID_PODS, str(error))]
    errors: FieldErrors = []
    for index, entry in enumerate(avoided.prefer_avoid_pods):
        at = f"{path}.{PREFER_AVOID_PODS}[{index}].PodSignature"
        controller = entry.pod_signature.pod_controller
        if controller is None:
            errors.append(required(at))
        elif not controller.controller:
            detail = "must point to a controller"
            errors.append(invalid(f"{at}.PodController.Controller", controller.controller, detail))
    return errors


def pod_ranges(path: str, found: Sequence[str]) -> FieldErrors:
    networks = [addresses.parse_network(text) for text in found]
    errors = [error for index, text in enumerate(found) for error in addresses.cidr(f"{path}[{index}]", text)]
    if len(found) < 2:
        return errors
    bad = next((text for text, network in zip(found, networks, strict=True) if network is None), None)
    if bad is not None:
        told = f"invalid CIDR[{found.index(bad)}]: <nil> (invalid CIDR address: {bad})"
        errors.append(internal(path, f"invalid PodCIDRs. failed to check with dual stack with error:{told}"))
    families = {network.version for network in networks if network is not None}
    if bad is not None or len(families) < 2 or len(found) > 2:
        errors.append(invalid(path, found, "may specify no more than one CIDR for each IP family"))
    return errors


def declared_features(path: str, found: Sequence[str]) -> FieldErrors:
    """Names of features of the node, sorted, each once."""
    errors: FieldErrors = []
    for index, name in enumerate(found):
        at = f"{path}[{index}]"
        if longer(name, _FEATURE_LIMIT):
            detail = f"invalid feature name {quote(name)}: must be no more than {_FEATURE_LIMIT} characters"
            errors.append(invalid(at, name, detail))
        elif not _FEATURE.match(name):
            errors.append(invalid(at, name, f"invalid feature name {quote(name)}: {_FEATURE_FAULT}"))
        if index and name == found[index - 1]:
            errors.append(duplicate(at, name))
        elif index and name < found[index - 1]:
            errors.append(invalid(at, name, "list must be sorted alphabetically"))
    return errors


def _amounts(path: str, found: Mapping[str, Quantity]) -> FieldErrors:
    return [error for name, value in found.items() for error in amount(f"{path}.{name}", name, value)]


def resources(status: core.NodeStatus) -> FieldErrors:
    return _amounts("status.capacity", status.capacity) + _amounts("status.allocatable", status.allocatable)


def validate(node: core.Node) -> FieldErrors:
    errors = _annotations("metadata.annotations", node.metadata.annotations)
    errors += taints("metadata.taints", node.spec.taints)
    errors += resources(node.status)
    swap = node.status.node_info.swap
    if swap is not None and swap.capacity is not None and swap.capacity <= 0:
        errors.append(invalid("metadata.nodeSwapStatus.capacity", swap.capacity, "must be greater than zero"))
    errors += declared_features("status.declaredFeatures", node.status.declared_features)
    return errors + pod_ranges("spec.podCIDRs", node.spec.pod_cidrs)


def validate_change(new: core.Node, old: core.Node) -> FieldErrors:
    """What may become of a node, through itself or its status."""
    errors = _annotations("metadata.annotations", new.metadata.annotations)
    errors += resources(new.status)
    errors += declared_features("status.declaredFeatures", new.status.declared_features)
    addresses = new.status.addresses
    again = repeated(addresses)
    errors += [duplicate(f"status.addresses[{i}]", one) for i, one in enumerate(addresses) if again[i]]
    errors += _fixed_ranges(new.spec.pod_cidrs, old.spec.pod_cidrs)
    if old.spec.provider_id and old.spec.provider_id != new.spec.provider_id:
        detail = 'node updates may not change providerID except from "" to valid'
        errors.append(forbidden("spec.providerID", detail))
    if new.spec.config_source is not None:
        errors += _config_source("spec.configSource", new.spec.config_source, in_spec=True)
    if (config := new.status.config) is not None:
        for name, source in (
            ("assigned", config.assigned),
            ("active", config.active),
            ("lastKnownGood", config.last_known_good),
        ):
            if source is not None:
                errors += _config_source(f"status.config.{name}", source, in_spec=False)
    errors += taints("metadata.taints", new.spec.taints)
    if new.spec.external_id != old.spec.external_id:
        errors.append(forbidden("spec.externalID", "may not be updated"))
    return errors


def validate_update(new: core.Node, old: core.Node) -> FieldErrors:
    """An update of the node itself is checked as a new node, too: what both look at is reported twice."""
    return validate(new) + validate_change(new, old)


def _fixed_ranges(new: Sequence[str], old: Sequence[str]) -> FieldErrors:
    if not old:
        return []
    error = forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid')
    if len(new) != len(old):
        return [error]
    return [error for now, before in zip(new, old, strict=True) if now != before]


def _config_source(path: str, source: core.NodeConfigSource, *, in_spec: bool) -> FieldErrors:
    held = source.config_map
    if held is None:
        return [invalid(path, source, _ONE_SOURCE)]
    at, errors = f"{path}.configMap", FieldErrors()
    for name, value in (("uid", held.uid), ("resourceVersion", held.resource_version)):
        if in_spec and value:
            errors.append(forbidden(f"{at}.{name}", f"{name} must not be set in spec"))
        if not in_spec and not value:
            errors.append(required(f"{at}.{name}", f"{name} must be set in status"))
    for name, value, faults in (
        ("namespace", held.namespace, dns_label(held.namespace, False)),
        ("name", held.name, dns_subdomain(held.name, False)),
        ("kubeletConfigKey", held.kubelet_config_key, checks.config_key(held.kubelet_config_key)),
    ):
        where = f"{at}.{name}"
        errors += all_invalid(where, value, faults) if value else [required(where, f"{name} must be set")]
    return errors
