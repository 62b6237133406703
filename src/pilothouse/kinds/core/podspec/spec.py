"""Validation of a whole PodSpec, in the order in which the API reports. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_found, not_supported, required, too_long
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import (
    annotated,
    checks,
    containers,
    placement,
    resources,
    security,
    windows,
)
from pilothouse.kinds.core.podspec import volume_sources as volumes
from pilothouse.kit.memo import Memo
from pilothouse.semantics.validation import meta as metadata
from pilothouse.semantics.validation.names import dns_label, longer

RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
SYSTEMS = ("linux", "windows")
PREEMPTION = ("PreemptLowerPriority", "Never")
_MAX_SEARCHES, _MAX_SEARCH_LENGTH, _MAX_NAMESERVERS = 32, 2048, 3
_SEARCH = re.compile(r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*\Z")
_SEARCH_FAULT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
)


def pod_spec(path: str, spec: core.PodSpec, *, template: bool) -> FieldErrors:
    """Errors of a PodSpec that has its defaults, in a Pod or in a `template`."""
    found, good = volumes.volumes(f"{path}.volumes", spec.volumes, template=template) if spec.volumes else ([], {})
    claims = [claim.name for claim in spec.resource_claims]
    if spec.resource_claims:
        found += resources.pod_claims(f"{path}.resourceClaims", spec.resource_claims)
    around = containers.Around(
        volumes=good,
        claims=claims,
        grace=spec.termination_grace_period_seconds,
        restart_policy=spec.restart_policy,
        host_users=spec.host_users,
    )
    main = spec.containers or ()
    found += containers.regular(f"{path}.containers", main, around)
    if spec.init_containers:
        found += containers.init(f"{path}.initContainers", spec.init_containers, main, around)
    if spec.ephemeral_containers:
        found += containers.ephemeral(f"{path}.ephemeralContainers", spec, around)
    if spec.resources is not None:
        found += resources.pod_level(f"{path}.resources", spec, claims)
    found += security.host_ports(path, spec, template=template)
    found += checks.one_of(f"{path}.restartPolicy", spec.restart_policy, RESTART_POLICIES, empty_is="required")
    found += checks.one_of(f"{path}.dnsPolicy", spec.dns_policy, DNS_POLICIES, empty_is="required")
    if spec.node_selector:
        found += metadata.label_map(spec.node_selector, f"{path}.nodeSelector")
    found += security.pod_context(path, spec)
    if spec.affinity is not None:
        found += placement.affinity(f"{path}.affinity", spec.affinity)
    if spec.dns_config is not None or spec.dns_policy == "None":
        found += dns_config(f"{path}.dnsConfig", spec)
    for index, gate in enumerate(spec.readiness_gates):
        found += checks.qualified(f"{path}.readinessGates[{index}].conditionType", gate.condition_type)
    if spec.scheduling_gates:
        found += placement.gates(f"{path}.schedulingGates", spec.scheduling_gates)
    if spec.topology_spread_constraints:
        found += placement.topology_spread(f"{path}.topologySpreadConstraints", spec.topology_spread_constraints)
    found += windows.host_processes(path, spec)
    found += security.host_users(path, spec)
    found += _names(path, spec)
    return found + _rest(path, spec)


def _names(path: str, spec: core.PodSpec) -> FieldErrors:
    found: FieldErrors = []
    if spec.service_account_name:
        found += checks.subdomain(f"{path}.serviceAccountName", spec.service_account_name)
    if spec.node_name:
        found += checks.subdomain(f"{path}.nodeName", spec.node_name)
    deadline = spec.active_deadline_seconds
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        found.append(invalid(f"{path}.activeDeadlineSeconds", deadline, checks.between(1, 2**31 - 1)))
    if spec.hostname:
        found += [invalid(f"{path}.hostname", spec.hostname, fault) for fault in dns_label(spec.hostname, False)]
    if spec.subdomain:
        found += [invalid(f"{path}.subdomain", spec.subdomain, fault) for fault in dns_label(spec.subdomain, False)]
    if spec.hostname_override is not None:
        found += _hostname_override(f"{path}.hostnameOverride", spec)
    return found


def _hostname_override(path: str, spec: core.PodSpec) -> FieldErrors:
    name = spec.hostname_override or ""
    found: FieldErrors = []
    if spec.set_hostname_as_fqdn:
        found.append(forbidden(path, "may not be specified when setHostnameAsFQDN is true"))
    if spec.host_network:
        found.append(forbidden(path, "may not be specified when hostNetwork is true"))
    found += checks.subdomain(path, name)
    if longer(name, 64):
        found.append(too_long(path, 64))
    return found


def _rest(path: str, spec: core.PodSpec) -> FieldErrors:
    found: FieldErrors = []
    if spec.tolerations:
        found += placement.tolerations(f"{path}.tolerations", spec.tolerations)
    for index, alias in enumerate(spec.host_aliases):
        at = f"{path}.hostAliases[{index}]"
        found += checks.ip(f"{at}.ip", alias.ip)
        for number, name in enumerate(alias.hostnames):
            found += checks.subdomain(f"{at}.hostnames[{number}]", name)
    if spec.priority_class_name:
        found += checks.subdomain(f"{path}.priorityClassName", spec.priority_class_name)
    if spec.runtime_class_name is not None:
        found += checks.subdomain(f"{path}.runtimeClassName", spec.runtime_class_name)
    if spec.preemption_policy is not None:
        found += checks.one_of(f"{path}.preemptionPolicy", spec.preemption_policy, PREEMPTION, empty_is="required")
    if spec.overhead:
        overhead = core.ResourceRequirements(limits=spec.overhead)
        found += resources.requirements(f"{path}.overhead", overhead, ())
    if spec.os is not None:
        found += _system(path, spec)
    return found + _file_keys(path, spec)


def _system(path: str, spec: core.PodSpec) -> FieldErrors:
    name = spec.os.name if spec.os is not None else ""
    if not name:
        return [required(f"{path}.os.name")]
    if name not in SYSTEMS:
        return [not_supported(f"{path}.os", name, SYSTEMS)]
    return windows.for_linux(path, spec) if name == "linux" else windows.for_windows(path, spec)


def _file_keys(path: str, spec: core.PodSpec) -> FieldErrors:
    """Variables from files: the volume must be there, and be one that the pod itself fills."""
    volumes_by_name: Mapping[str, core.Volume] = {volume.name: volume for volume in spec.volumes}
    found: FieldErrors = []
    for kind, group in (("containers", spec.containers or ()), ("initContainers", spec.init_containers)):
        for index, container in enumerate(group):
            for number, env in enumerate(container.env):
                reference = env.value_from.file_key_ref if env.value_from is not None else None
                if reference is None:
                    continue
                at = f"{path}.{kind}[{index}].env[{number}].valueFrom.fileKeyRef.volumeName"
                volume = volumes_by_name.get(reference.volume_name)
                if volume is None:
                    found.append(not_found(at, reference.volume_name))
                elif volume.empty_dir is None:
                    found.append(invalid(at, reference.volume_name, "referenced volume must be of type emptyDir"))
    return found


def dns_config(path: str, spec: core.PodSpec) -> FieldErrors:
    """spec.dnsConfig, which dnsPolicy None needs."""
    config = spec.dns_config
    found: FieldErrors = []
    if spec.dns_policy == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.nameservers:
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", detail)]
    if config is None:
        return found
    if len(config.nameservers) > _MAX_NAMESERVERS:
        detail = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        found.append(invalid(f"{path}.nameservers", config.nameservers, detail))
    for index, server in enumerate(config.nameservers):
        found += checks.ip(f"{path}.nameservers[{index}]", server)
    if len(config.searches) > _MAX_SEARCHES:
        detail = f"must not have more than {_MAX_SEARCHES} search paths"
        found.append(invalid(f"{path}.searches", config.searches, detail))
    if len(" ".join(config.searches)) > _MAX_SEARCH_LENGTH:
        detail = f"must not have more than {_MAX_SEARCH_LENGTH} characters (including spaces) in the search list"
        found.append(invalid(f"{path}.searches", config.searches, detail))
    for index, search in enumerate(config.searches):
        name = search.removesuffix(".") if search != "." else ""
        if search != "." and (longer(name, 253) or not _SEARCH.match(name)):
            found.append(invalid(f"{path}.searches[{index}]", name, _SEARCH_FAULT))
    for index, option in enumerate(config.options):
        if not option.name:
            found.append(required(f"{path}.options[{index}]", "must not be empty"))
    return found


def template(path: str, found: core.PodTemplateSpec) -> FieldErrors:
    """A pod template: labels, annotations, and a spec without what only a running pod may have."""
    errors = metadata.label_map(found.metadata.labels, f"{path}.labels")
    errors += metadata.annotation_map(found.metadata.annotations, f"{path}.annotations")
    errors += annotated.validate(f"{path}.annotations", found.metadata.annotations, found.spec)
    errors += pod_spec(f"{path}.spec", found.spec, template=True)
    errors += annotated.agreeing(f"{path}.spec", found.metadata, found.spec)
    if found.spec.ephemeral_containers:
        errors.append(forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return errors


def pod(found: core.Pod) -> FieldErrors:
    """A new or changed pod: its spec, and what templates may still be vague about."""
    errors = list(_of_pod(found.spec))
    errors += annotated.validate("metadata.annotations", found.metadata.annotations, found.spec)
    if found.spec.volumes:
        errors += volumes.claims_of("spec.volumes", found.metadata.name, found.spec.volumes)
    return errors


def _pod_errors(spec: core.PodSpec) -> FieldErrors:
    errors = pod_spec("spec", spec, template=False)
    if not spec.service_account_name:
        errors += _tokens_without_account(spec)
    errors += containers.whitespace("spec.containers", spec.containers)
    return errors + containers.whitespace("spec.initContainers", spec.init_containers)


_of_pod: Memo[core.PodSpec, FieldErrors] = Memo(_pod_errors)


def _tokens_without_account(spec: core.PodSpec) -> FieldErrors:
    detail = "must not be specified when serviceAccountName is not set"
    return [
        forbidden(f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken", detail)
        for i, volume in enumerate(spec.volumes)
        if volume.projected is not None
        for j, source in enumerate(volume.projected.sources or ())
        if source.service_account_token is not None
    ]


def new_pod(found: core.Pod) -> FieldErrors:
    """What a create refuses beside."""
    errors = pod(found)
    spec = found.spec
    if spec.ephemeral_containers:
        errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.node_name and spec.scheduling_gates:
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    return errors + annotated.agreeing("spec", found.metadata, spec)
