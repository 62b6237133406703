"""What of a pod or pod template works, but will not for long or not as meant. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pilothouse.api.go_text import quote
from pilothouse.api.types.core import v1 as core
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.memo import Memo
from pilothouse.semantics.validation.names import dns_label

_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
}
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "seccomp.security.alpha.kubernetes.io/pod": _SECCOMP,
}
_SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_GONE_125 = "deprecated in v1.22, non-functional in v1.25+"
_GONE_131 = "deprecated in v1.28, non-functional in v1.31+"
VOLUMES = {
    "git_repo": ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    "photon_persistent_disk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "scale_io": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "flocker": ("flocker", _GONE_125),
    "storageos": ("storageOS", _GONE_125),
    "quobyte": ("quobyte", _GONE_125),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "cephfs": ("cephfs", _GONE_131),
    "rbd": ("rbd", _GONE_131),
}
_WHOLE = ("memory", "ephemeral-storage")
_NULL_SELECTOR = "a null labelSelector results in matching no pod"


def _placement(path: str, spec: core.PodSpec) -> Iterator[str]:
    for key in sorted(spec.node_selector):
        if key in _LABELS:
            yield f"{path}.nodeSelector[{key}]: {_LABELS[key]}"
    if spec.affinity is not None:
        yield from _affinity(f"{path}.affinity", spec.affinity)
    for index, spread in enumerate(spec.topology_spread_constraints):
        at = f"{path}.topologySpreadConstraints[{index}]"
        if spread.topology_key in _LABELS:
            yield f"{at}.topologyKey: {spread.topology_key} is {_LABELS[spread.topology_key]}"
        if spread.label_selector is None:
            yield f"{at}.labelSelector: {_NULL_SELECTOR}"


def _affinity(path: str, affinity: core.Affinity) -> Iterator[str]:
    nodes = affinity.node_affinity
    if nodes is not None:
        wanted = nodes.required_during_scheduling_ignored_during_execution
        for index, term in enumerate(wanted.node_selector_terms or () if wanted is not None else ()):
            at = f"{path}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
            yield from node_term(at, term)
        for index, preferred in enumerate(nodes.preferred_during_scheduling_ignored_during_execution):
            at = f"{path}.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
            yield from node_term(at, preferred.preference)
    for name, pods in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if pods is None:
            continue
        for index, one in enumerate(pods.required_during_scheduling_ignored_during_execution):
            if one.label_selector is None:
                at = f"{path}.{name}.requiredDuringSchedulingIgnoredDuringExecution[{index}]"
                yield f"{at}.labelSelector: {_NULL_SELECTOR}"
        for index, weighted in enumerate(pods.preferred_during_scheduling_ignored_during_execution):
            if weighted.pod_affinity_term.label_selector is None:
                at = f"{path}.{name}.preferredDuringSchedulingIgnoredDuringExecution[{index}].podAffinityTerm"
                yield f"{at}.labelSelector: {_NULL_SELECTOR}"


def node_term(path: str, term: core.NodeSelectorTerm) -> Iterator[str]:
    for index, wanted in enumerate(term.match_expressions):
        if wanted.key in _LABELS:
            yield f"{path}.matchExpressions[{index}].key: {wanted.key} is {_LABELS[wanted.key]}"


def _annotations(path: str, meta: ObjectMeta) -> Iterator[str]:
    for key in sorted(meta.annotations):
        text = _ANNOTATIONS.get(key)
        if key.startswith(_SECCOMP_PREFIX):
            text = _SECCOMP
        elif key.startswith(APPARMOR_PREFIX):
            text = _APPARMOR
        if text is not None:
            yield f"{path}[{key}]: {text}"


def _lists(path: str, spec: core.PodSpec) -> Iterator[str]:
    for index, volume in enumerate(spec.volumes):
        for attribute, (name, text) in VOLUMES.items():
            if getattr(volume, attribute) is not None:
                yield f"{path}.volumes[{index}].{name}: {text}"
    seen: set[str] = set()
    for index, alias in enumerate(spec.host_aliases):
        if alias.ip in seen:
            yield f"{path}.hostAliases[{index}].ip: duplicate ip {quote(alias.ip)}"
        seen.add(alias.ip)
    names = [secret.name for secret in spec.image_pull_secrets]
    for index, name in enumerate(names):
        if name and name in names[:index]:
            yield f"{path}.imagePullSecrets[{index}].name: duplicate name {quote(name)}"
    for index, name in enumerate(names):
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'


def _container(path: str, container: core.Container) -> Iterator[str]:
    for what, amounts in (("limits", container.resources.limits), ("requests", container.resources.requests)):
        for name in _WHOLE:
            amount = amounts.get(name)
            if amount is not None and amount.value % 1:
                text = f"fractional byte value {quote(amount.text)} is invalid, must be an integer"
                yield f"{path}.resources.{what}[{name}]: {text}"
    variables: set[str] = set()
    for index, env in enumerate(container.env):
        if env.name in variables:
            text = f"hides previous definition of {quote(env.name)}, which may be dropped when using apply"
            yield f"{path}.env[{index}]: {text}"
        variables.add(env.name)
    ports: dict[tuple[object, ...], int] = {}
    for index, port in enumerate(container.ports):
        key = (port.container_port, port.protocol, port.host_ip, port.host_port)
        if key in ports:
            yield f"{path}.ports[{index}]: duplicate port definition with {path}.ports[{ports[key]}]"
        ports.setdefault(key, index)


def _containers(path: str, spec: core.PodSpec) -> Iterator[str]:
    for kind, group in (("containers", spec.containers or ()), ("initContainers", spec.init_containers)):
        for index, container in enumerate(group):
            yield from _container(f"{path}.{kind}[{index}]", container)


def pod_and_meta(path: str, spec: core.PodSpec, meta: ObjectMeta) -> Iterator[str]:
    """Warnings about a spec and the metadata beside it; `path` is empty for a pod, else that of a template."""
    prefix = f"{path}." if path else ""
    before, after = _of_spec(spec, f"{prefix}spec")
    yield from before
    yield from _annotations(f"{prefix}metadata.annotations", meta)
    yield from after


def _around(spec: core.PodSpec, path: str) -> tuple[Sequence[str], Sequence[str]]:
    """The warnings about a spec that come before those about annotations, and those that come after."""
    after = list(_lists(path, spec))
    grace = spec.termination_grace_period_seconds
    if grace is not None and grace < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        after.append(f"{path}.terminationGracePeriodSeconds: {text}")
    return list(_placement(path, spec)), [*after, *_containers(path, spec)]


_of_spec: Memo[core.PodSpec, tuple[Sequence[str], Sequence[str]]] = Memo(_around)


def name_warnings(name: str, used: str) -> Iterator[str]:
    """A name that is no DNS label, though host names are made of it."""
    if faults := dns_label(name, False):
        text = "which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: this is used in {used}, {text}: [{' '.join(faults)}]"


def pod(found: core.Pod) -> Sequence[str]:
    return [*name_warnings(found.metadata.name, "the Pod's hostname"), *pod_and_meta("", found.spec, found.metadata)]


def pod_update(new: core.Pod, old: core.Pod) -> Sequence[str]:
    """What was warned of before is not warned of again."""
    before = set(pod(old))
    return [text for text in pod(new) if text not in before]


def template(path: str, found: core.PodTemplateSpec) -> Sequence[str]:
    return list(pod_and_meta(path, found.spec, found.metadata))


def workload(name: str, found: core.PodTemplateSpec) -> Sequence[str]:
    """Warnings of a kind that makes pods with names from its own."""
    return [*name_warnings(name, "Pod names and hostnames"), *template("spec.template", found)]
