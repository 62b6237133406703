"""What of a pod or pod template works, but will not for long or not as meant. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pilothouse.api.go_text import quote
from pilothouse.api.object import Object
from pilothouse.api.quantity import Quantity
from pilothouse.api.types.core import v1 as core
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kinds.core import claims
from pilothouse.kinds.core.podspec.annotated import APPARMOR_PREFIX, SECCOMP_POD, SECCOMP_PREFIX
from pilothouse.kinds.core.podspec.groups import AnyContainer, containers_of
from pilothouse.kit.memo import Memo
from pilothouse.kit.repeats import repeated
from pilothouse.semantics.validation.addresses import ip_warnings
from pilothouse.semantics.validation.names import dns_label, label_value

Groups = Sequence[tuple[str, AnyContainer]]
# Two thousand ports of one number give two million warnings, of which clients are sent some dozens.
MOST_OF_A_PART = 1000

LABELS = {
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
}
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
        if key in LABELS:
            yield f"{path}.nodeSelector[{key}]: {LABELS[key]}"
    nodes = spec.affinity.node_affinity if spec.affinity is not None else None
    if nodes is not None:
        yield from _node_affinity(f"{path}.affinity.nodeAffinity", nodes)
    for index, spread in enumerate(spec.topology_spread_constraints):
        at = f"{path}.topologySpreadConstraints[{index}]"
        if spread.topology_key in LABELS:
            yield f"{at}.topologyKey: {spread.topology_key} is {LABELS[spread.topology_key]}"
        if spread.label_selector is None:
            yield f"{at}.labelSelector: {_NULL_SELECTOR}"


def _node_affinity(path: str, nodes: core.NodeAffinity) -> Iterator[str]:
    wanted = nodes.required_during_scheduling_ignored_during_execution
    for index, term in enumerate(wanted.node_selector_terms or () if wanted is not None else ()):
        at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[{index}]"
        yield from node_term(at, term)
    for index, preferred in enumerate(nodes.preferred_during_scheduling_ignored_during_execution):
        at = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}].preference"
        yield from node_term(at, preferred.preference, values=True)


def node_term(path: str, term: core.NodeSelectorTerm, *, values: bool = False) -> Iterator[str]:
    """`values`: those that no label can have are let pass, so they are told of."""
    for index, wanted in enumerate(term.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        if wanted.key in LABELS:
            yield f"{at}.key: {wanted.key} is {LABELS[wanted.key]}"
        for number, value in enumerate(wanted.values if values else ()):
            for fault in label_value(value):
                yield f"{at}.values[{number}]: {value} is invalid, {fault}"


def _pod_affinity(path: str, affinity: core.Affinity) -> Iterator[str]:
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


def _volumes(path: str, found: Sequence[core.Volume]) -> Iterator[str]:
    for index, volume in enumerate(found):
        at = f"{path}.volumes[{index}]"
        for attribute, (name, text) in VOLUMES.items():
            if getattr(volume, attribute) is not None:
                yield f"{at}.{name}: {text}"
        made = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
        if made is not None:
            yield from claims.warnings(f"{at}.ephemeral.volumeClaimTemplate.spec", made.spec)
    tokens = {
        source.service_account_token.path
        for volume in found
        if volume.projected is not None
        for source in volume.projected.sources or ()
        if source.service_account_token is not None
    }
    if tokens:
        for index, volume in enumerate(found):
            for source in volume.projected.sources or () if volume.projected is not None else ():
                yield from _beside_token(f"{path}.volumes[{index}].projected.sources", source, tokens)


def _beside_token(path: str, source: core.VolumeProjection, tokens: Collection[str]) -> Iterator[str]:
    """Files that a service account's token would overwrite; the paths are upstream's, index of the source left out."""
    lists: list[tuple[str, Sequence[core.KeyToPath | core.DownwardAPIVolumeFile]]] = []
    if source.config_map is not None:
        lists.append(("configMap", source.config_map.items))
    if source.secret is not None:
        lists.append(("secrets", source.secret.items))
    if source.downward_api is not None:
        lists.append(("downwardAPI", source.downward_api.items))
    for name, items in lists:
        for index, item in enumerate(items):
            if item.path in tokens:
                yield f"{path}.{name}[{index}]: has duplicated path with ServiceAccountToken {quote(item.path)}"
    bundle = source.cluster_trust_bundle
    if bundle is not None and bundle.path in tokens:
        yield f"{path}.ClusterTrustBundle: has duplicated path with ServiceAccountToken {quote(bundle.path)}"


def _fractions(path: str, amounts: Mapping[str, Quantity], names: Sequence[str]) -> Iterator[str]:
    """Bytes come whole."""
    for name in names:
        amount = amounts.get(name)
        if amount is not None and not amount.is_multiple():
            yield f"{path}[{name}]: fractional byte value {quote(amount.text)} is invalid, must be an integer"


def _lists(path: str, spec: core.PodSpec) -> Iterator[str]:
    if spec.volumes:
        yield from _volumes(path, spec.volumes)
    seen: set[str] = set()
    for index, alias in enumerate(spec.host_aliases):
        if alias.ip in seen:
            yield f"{path}.hostAliases[{index}].ip: duplicate ip {quote(alias.ip)}"
        seen.add(alias.ip)
    names = [secret.name for secret in spec.image_pull_secrets]
    for index, (name, again) in enumerate(zip(names, repeated(names), strict=True)):
        if again:
            yield f"{path}.imagePullSecrets[{index}].name: duplicate name {quote(name)}"
    for index, name in enumerate(names):
        if not name:
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    if spec.overhead:
        yield from _fractions(f"{path}.overhead", spec.overhead, _WHOLE)


def _container(path: str, container: AnyContainer) -> Iterator[str]:
    resources = container.resources
    if resources.limits or resources.requests:
        for name in _WHOLE:
            yield from _fractions(f"{path}.resources.limits", resources.limits, (name,))
            yield from _fractions(f"{path}.resources.requests", resources.requests, (name,))
    variables: set[str] = set()
    for index, env in enumerate(container.env):
        reference = f"$({env.name})"
        kept = env.value_from is None and reference in env.value and env.value != reference
        if env.name in variables and not kept:
            text = f"hides previous definition of {quote(env.name)}, which may be dropped when using apply"
            yield f"{path}.env[{index}]: {text}"
        variables.add(env.name)


def _ports(groups: Groups) -> Iterator[str]:
    """Ports of all containers of a pod: those of one number and protocol may stand in each other's way."""
    taken = _Taken()
    for path, container in groups:
        for index, port in enumerate(container.ports):
            at = f"{path}.ports[{index}]"
            if port.host_ip and not port.host_port:
                shown = f"Name:{port.name} HostPort:0 ContainerPort:{port.container_port}"
                yield f"{at}: hostIP set without hostPort: {{{shown} Protocol:{port.protocol} HostIP:{port.host_ip}}}"
            for _, where, other in taken.beside(port):
                if port.host_ip == other.host_ip and port.host_port == other.host_port:
                    yield f"{at}: duplicate port definition with {where}"
                elif port.host_port == 0 or other.host_port == 0:
                    yield f"{at}: overlapping port definition with {where}"
                else:
                    yield f"{at}: dangerously ambiguous port definition with {where}"
            taken.add(at, port)


class _Taken:
    """Ports that came before, found by what they share: number and protocol, host port, host address. Looking through
    all of them for each port would take the square of their number."""

    def __init__(self) -> None:
        self._ports: defaultdict[tuple[object, ...], list[tuple[int, str, core.ContainerPort]]] = defaultdict(list)
        self._count = 0

    def add(self, path: str, port: core.ContainerPort) -> None:
        number, host = (port.container_port, port.protocol), (port.host_port,)
        for key in (number, number + host, number + host + (port.host_ip,)):
            self._ports[key].append((self._count, path, port))
        self._count += 1

    def beside(self, port: core.ContainerPort) -> Iterable[tuple[int, str, core.ContainerPort]]:
        """Those of the same number and protocol that may stand in the way of `port`, in the order they came."""
        number, host = (port.container_port, port.protocol), (port.host_port,)
        if not port.host_port:
            return self._ports[number]
        anywhere = [number + host] if not port.host_ip else [number + host + (ip,) for ip in ("", port.host_ip)]
        return heapq.merge(*(self._ports[key] for key in ((*number, 0), *anywhere)))


def _profiles(path: str, container: AnyContainer, meta: ObjectMeta, shared: bool) -> Iterator[str]:
    """A profile that is annotated only; `path` is that of the annotations. `shared`: the pod has one for AppArmor."""
    context, key = container.security_context, SECCOMP_PREFIX + container.name
    if key in meta.annotations and (context is None or context.seccomp_profile is None):
        yield f"{path}[{key}]: {_SECCOMP}"
    key = APPARMOR_PREFIX + container.name
    if key in meta.annotations and not shared and (context is None or context.app_armor_profile is None):
        yield f"{path}[{key}]: {_APPARMOR}"


def pod_and_meta(path: str, spec: core.PodSpec, meta: ObjectMeta) -> Iterator[str]:
    """Warnings about a spec and the metadata beside it; `path` is empty for a pod, else that of a template."""
    prefix = f"{path}." if path else ""
    annotated, at = meta.annotations, f"{prefix}metadata.annotations"
    placement, lists, of_containers = _of_spec(spec, f"{prefix}spec")
    yield from placement
    for key in (k for k in _ANNOTATIONS if k in annotated):
        yield f"{at}[{key}]: {_ANNOTATIONS[key]}"
    yield from lists
    if not annotated:
        yield from of_containers
        return
    context = spec.security_context
    if SECCOMP_POD in annotated and (context is None or context.seccomp_profile is None):
        yield f"{at}[{SECCOMP_POD}]: {_SECCOMP}"
    shared = context is not None and context.app_armor_profile is not None
    rest = _rest(f"{prefix}spec", spec, lambda container: _profiles(at, container, meta, shared))
    yield from islice(rest, MOST_OF_A_PART)


def _rest(path: str, spec: core.PodSpec, before: Callable[[AnyContainer], Iterable[str]]) -> Iterator[str]:
    """Warnings about the containers, each after what is said `before` it, and what comes after all of them."""
    groups = containers_of(path, spec)
    for where, container in groups:
        yield from before(container)
        yield from _container(where, container)
    yield from _ports(groups)
    grace = spec.termination_grace_period_seconds
    if grace is not None and grace < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"
    if spec.affinity is not None:
        yield from _pod_affinity(f"{path}.affinity", spec.affinity)
    if spec.dns_config is not None:
        for index, server in enumerate(spec.dns_config.nameservers):
            yield from ip_warnings(f"{path}.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.host_aliases):
        yield from ip_warnings(f"{path}.hostAliases[{index}].ip", alias.ip)


def _parts(spec: core.PodSpec, path: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    parts = _placement(path, spec), _lists(path, spec), _rest(path, spec, lambda container: ())
    placement, lists, rest = (list(islice(part, MOST_OF_A_PART)) for part in parts)
    return placement, lists, rest


_of_spec: Memo[core.PodSpec, tuple[Sequence[str], Sequence[str], Sequence[str]]] = Memo(_parts)


def name_warnings(name: str, used: str) -> Iterator[str]:
    """A name that is no DNS label, though host names are made of it."""
    if faults := dns_label(name, False):
        text = "which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: this is used in {used}, {text}: [{' '.join(faults)}]"


def pod(found: core.Pod) -> Sequence[str]:
    return [*name_warnings(found.metadata.name, "the Pod's hostname"), *pod_and_meta("", found.spec, found.metadata)]


def template(path: str, found: core.PodTemplateSpec) -> Sequence[str]:
    return list(pod_and_meta(path, found.spec, found.metadata))


def changed_template(path: str, new: Object, old: Object, found: core.PodTemplateSpec) -> Sequence[str]:
    """Warnings at an update of what makes pods: none while nothing of it changes that counts."""
    return [] if new.metadata.generation == old.metadata.generation else template(path, found)


def workload(name: str, found: core.PodTemplateSpec) -> Sequence[str]:
    """Warnings of a kind that makes pods with names from its own."""
    return [*name_warnings(name, "Pod names and hostnames"), *template("spec.template", found)]
