"""PodSecurity: namespaces say by label how hardened their pods must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pilothouse.api.field_errors import as_status
from pilothouse.api.types.core.v1 import Namespace, Pod, PodTemplateSpec
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.podsecurity.control import Violation, containers
from pilothouse.apiserver.admission.podsecurity.policy import (
    LEVELS,
    PREFIX,
    PRIVILEGED,
    Policy,
    Standard,
    label_errors,
    policy_of,
    violations,
)
from pilothouse.apiserver.admission.refusal import refused
from pilothouse.apiserver.admission.surroundings import Surroundings

_MOST_PODS = 3000

Template = Callable[[Any], PodTemplateSpec | None]
_TEMPLATES: dict[tuple[str, str], Template] = {
    ("", "podtemplates"): lambda o: o.template,
    ("", "replicationcontrollers"): lambda o: o.spec.template,
    ("apps", "daemonsets"): lambda o: o.spec.template,
    ("apps", "deployments"): lambda o: o.spec.template,
    ("apps", "replicasets"): lambda o: o.spec.template,
    ("apps", "statefulsets"): lambda o: o.spec.template,
    ("batch", "cronjobs"): lambda o: o.spec.job_template.spec.template,
    ("batch", "jobs"): lambda o: o.spec.template,
}


class PodSecurity:
    """Refuses pods, warns of templates, and of the pods that a namespace's new label would refuse."""

    name = "PodSecurity"

    def __init__(self, surroundings: Surroundings) -> None:
        self._reader = surroundings.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE"):
            return False
        if (group, resource) == ("", "pods"):
            return subresource == "" or (subresource == "ephemeralcontainers" and operation == "UPDATE")
        return not subresource and ((group, resource) in _TEMPLATES or (group, resource) == ("", "namespaces"))

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403 for a pod, 422 for a namespace whose labels say nothing."""
        if attributes.resource == "namespaces":
            self._check_namespace(attributes)
            return
        namespace = self._reader.get(Namespace, attributes.namespace)
        if namespace is None:
            return
        policy = policy_of(namespace.metadata.labels)
        if policy.enforce.level == policy.audit.level == policy.warn.level == PRIVILEGED:
            return
        if attributes.resource == "pods":
            _check_pod(attributes, policy)
        elif template := _TEMPLATES[(attributes.group, attributes.resource)](attributes.obj):
            _tell(attributes, policy, template)

    def _check_namespace(self, attributes: Attributes) -> None:
        new: Namespace = attributes.obj
        if errors := label_errors(new.metadata.labels):
            raise as_status("", "Namespace", new.metadata.name, errors)
        if attributes.operation != "UPDATE":
            return
        after, before = policy_of(new.metadata.labels).enforce, policy_of(attributes.old_obj.metadata.labels).enforce
        relaxed = after.version == before.version and LEVELS.index(after.level) <= LEVELS.index(before.level)
        if after != before and after.level != PRIVILEGED and not relaxed:
            for warning in self._existing(new.metadata.name, after):
                attributes.warn(warning)

    def _existing(self, namespace: str, standard: Standard) -> list[str]:
        groups: dict[str, list[str]] = {}
        for pod in self._reader.list(Pod, namespace)[:_MOST_PODS]:
            found = violations(standard, _as_template(pod))
            if found:
                groups.setdefault(", ".join(v.reason for v in found), []).append(pod.metadata.name)
        if not groups:
            return []
        head = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"'
        return [head, *sorted(f"{_first(names)}: {reasons}" for reasons, names in groups.items())]


def _first(names: list[str]) -> str:
    first, *others = sorted(names)
    if not others:
        return first
    return f"{first} (and {len(others)} other pod{'' if len(others) == 1 else 's'})"


def _as_template(pod: Pod) -> PodTemplateSpec:
    return PodTemplateSpec(metadata=pod.metadata, spec=pod.spec)


def _told(standard: Standard, found: list[Violation]) -> str:
    return f'PodSecurity "{standard}": {", ".join(map(str, found))}'


def _check_pod(attributes: Attributes, policy: Policy) -> None:
    pod: Pod = attributes.obj
    if attributes.operation == "UPDATE" and not _matters(pod, attributes.old_obj):
        return
    attributes.audit_annotations[PREFIX + "enforce-policy"] = str(policy.enforce)
    template = _as_template(pod)
    found = violations(policy.enforce, template)
    if found:
        raise refused(attributes, f"violates {_told(policy.enforce, found)}")
    _tell(attributes, policy, template)


def _tell(attributes: Attributes, policy: Policy, template: PodTemplateSpec) -> None:
    if recorded := violations(policy.audit, template):
        text = f"would violate {_told(policy.audit, recorded)}"
        attributes.audit_annotations[PREFIX + "audit-violations"] = text
    if warned := violations(policy.warn, template):
        attributes.warn(f"would violate {_told(policy.warn, warned)}")


def _matters(new: Pod, old: Pod) -> bool:
    """Whether an update touches what the standards look at: images, security contexts, annotations of profiles."""
    if new.spec.security_context != old.spec.security_context:
        return True
    after = [(c.name, c.image, c.security_context) for c in containers(new.spec)]
    before = [(c.name, c.image, c.security_context) for c in containers(old.spec)]
    return after != before or _profiles(new) != _profiles(old)


def _profiles(pod: Pod) -> dict[str, str]:
    return {k: v for k, v in pod.metadata.annotations.items() if "seccomp.security" in k or "apparmor.security" in k}
