"""PodSecurity: namespaces say by label how hardened their pods must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pilothouse.api.field_errors import as_status
from pilothouse.api.types.core.v1 import Namespace, Pod, PodTemplateSpec
from pilothouse.apiserver.admission.context import PluginContext
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.admission.podsecurity.control import Violation
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
from pilothouse.kit.aside import LARGE, aside

_MOST_PODS = 3000
# More pods than are looked at without giving others their turn.
_MANY_PODS = 100

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

    def __init__(self, context: PluginContext) -> None:
        self._reader = context.reader

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        if operation not in ("CREATE", "UPDATE"):
            return False
        if (group, resource) == ("", "pods"):
            return not subresource or (subresource in ("ephemeralcontainers", "resize") and operation == "UPDATE")
        return not subresource and ((group, resource) in _TEMPLATES or (group, resource) == ("", "namespaces"))

    async def validate(self, attributes: Attributes) -> None:
        """Raises StatusError 403 for a pod, 422 for a namespace whose labels say nothing."""
        if attributes.resource == "namespaces":
            await self._check_namespace(attributes)
            return
        namespace = self._reader.get(Namespace, attributes.namespace)
        if namespace is None:
            return
        policy = policy_of(namespace.metadata.labels)
        of_pods = attributes.resource == "pods"
        if policy.enforce.level == policy.audit.level == policy.warn.level == PRIVILEGED:
            if of_pods:
                attributes.audit_annotations[PREFIX + "enforce-policy"] = "privileged:latest"
            return
        if of_pods:
            await aside(attributes.size, lambda: _check_pod(attributes, policy))
        elif template := _TEMPLATES[(attributes.group, attributes.resource)](attributes.obj):
            await aside(attributes.size, lambda: _tell(attributes, policy, template))

    async def _check_namespace(self, attributes: Attributes) -> None:
        new: Namespace = attributes.obj
        old: Namespace | None = attributes.old_obj
        errors = label_errors(new.metadata.labels)
        if errors and (old is None or errors != label_errors(old.metadata.labels)):
            raise as_status("", "Namespace", new.metadata.name, errors)
        if attributes.operation != "UPDATE" or old is None:
            return
        after, before = policy_of(new.metadata.labels).enforce, policy_of(old.metadata.labels).enforce
        relaxed = after.version == before.version and LEVELS.index(after.level) <= LEVELS.index(before.level)
        if after != before and after.level != PRIVILEGED and not relaxed:
            pods = self._reader.list(Pod, new.metadata.name)
            size = LARGE if len(pods) > _MANY_PODS else 0
            for warning in await aside(size, lambda: existing_violations(new.metadata.name, pods, after)):
                attributes.warn(warning)


def existing_violations(namespace: str, pods: Sequence[Pod], standard: Standard) -> list[str]:
    """The warnings about pods that a new level would not let in. Of many pods those are looked at first that are not
    of one controller with another."""
    groups: dict[str, list[str]] = {}
    chosen = _prioritized(pods)[:_MOST_PODS]
    for pod in chosen:
        found = violations(standard, _as_template(pod))
        if found:
            groups.setdefault(", ".join(v.reason for v in found), []).append(pod.metadata.name)
    warnings = []
    if len(chosen) < len(pods):
        told = f"the first {len(chosen)} of {len(pods)} existing pods"
        warnings.append(f"new PodSecurity enforce level only checked against {told}")
    if groups:
        told = f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{standard}"'
        warnings.append(told)
    return [*warnings, *sorted(f"{_first(names)}: {reasons}" for reasons, names in groups.items())]


def _prioritized(pods: Sequence[Pod]) -> list[Pod]:
    first: list[Pod] = []
    others: list[Pod] = []
    controllers: set[str] = set()
    for pod in pods:
        owner = next((ref.uid for ref in pod.metadata.owner_references if ref.controller), None)
        (others if owner in controllers else first).append(pod)
        if owner is not None:
            controllers.add(owner)
    return first + others


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
    """Whether an update brings a container or an image; nothing else that the standards look at can change."""
    for after, before in (
        (new.spec.containers or (), old.spec.containers or ()),
        (new.spec.init_containers, old.spec.init_containers),
    ):
        if [c.image for c in after] != [c.image for c in before]:
            return True
    images = {c.name: c.image for c in old.spec.ephemeral_containers}
    return any(images.get(c.name) != c.image for c in new.spec.ephemeral_containers)
