"""Pods compiled for scheduling. What follows from the template is computed once for all equal pods."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from pilothouse.api.codec.json import encode
from pilothouse.api.types.core.v1 import Container, Pod, PodSpec
from pilothouse.semantics.declared_features import required_features
from pilothouse.semantics.host_ports import host_ports
from pilothouse.semantics.ownership import controller_of
from pilothouse.semantics.pod_affinity import (
    Term,
    preferred_affinity,
    preferred_anti_affinity,
    required_affinity,
    required_anti_affinity,
)
from pilothouse.semantics.requests import pod_requests

DEFAULT_CPU = 100  # millicores: what a container without a request counts for when nodes are rated
DEFAULT_MEMORY = 200 * 1024 * 1024
KEPT_PROFILES = 4096
_MAX = 2**63 - 1


def amount(name: str, value: Decimal) -> int:
    """A quantity as columns hold it: millicores for cpu, whole units for all else, rounded up."""
    scaled = value * 1000 if name == "cpu" else value
    return min(int(scaled.to_integral_value(rounding=ROUND_CEILING)), _MAX)


class Profile:
    """What is the same for all pods of one template. `memo` is for plugins' results that depend on it alone."""

    def __init__(self, pod: Pod) -> None:
        self.requests = {name: amount(name, value) for name, value in pod_requests(pod, status_too=True).items()}
        self.rated_cpu, self.rated_memory = _rated(pod.spec, self.requests)
        self.ports = host_ports(pod.spec)
        self.required_affinity = required_affinity(pod)
        self.required_anti_affinity = required_anti_affinity(pod)
        self.preferred_affinity = preferred_affinity(pod)
        self.preferred_anti_affinity = preferred_anti_affinity(pod)
        self.claims = tuple(claim_names(pod.spec))
        self.features = required_features(pod.spec)
        self.images = tuple(_image(c) for c in (*pod.spec.init_containers, *(pod.spec.containers or ())))
        self.memo: dict[str, Any] = {}

    @property
    def terms(self) -> Sequence[tuple[str, Term, int]]:
        """Every term that existing pods hold against or for newcomers: kind, term, weight."""
        return (
            *(("anti", t, 1) for t in self.required_anti_affinity),
            *(("hard", t, 1) for t in self.required_affinity),
            *(("soft", t, t.weight) for t in self.preferred_affinity),
            *(("soft", t, -t.weight) for t in self.preferred_anti_affinity),
        )


def _rated(spec: PodSpec, requests: Mapping[str, int]) -> tuple[int, int]:
    """Requests for rating: containers without one count with a default, or a node would look empty that is not."""
    cpu, memory = requests.get("cpu", 0), requests.get("memory", 0)
    if spec.resources is not None and spec.resources.requests:
        return cpu or DEFAULT_CPU, memory or DEFAULT_MEMORY
    for container in (*(spec.containers or ()), *(c for c in spec.init_containers if c.restart_policy == "Always")):
        if "cpu" not in container.resources.requests:
            cpu += DEFAULT_CPU
        if "memory" not in container.resources.requests:
            memory += DEFAULT_MEMORY
    return cpu, memory


def claim_names(spec: PodSpec) -> list[str]:
    """Names of the claims in the pod's namespace that its volumes use; "*" before the volume's name stands for the
    pod's own, of an ephemeral volume."""
    found = []
    for volume in spec.volumes:
        if volume.persistent_volume_claim is not None:
            found.append(volume.persistent_volume_claim.claim_name)
        elif volume.ephemeral is not None:
            found.append("*" + volume.name)
    return found


def _image(container: Container) -> str:
    """The name that nodes report: with a tag."""
    name = container.image
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


class PodInfo:
    """A pod with its profile. `pod` is replaced when the object changes in ways that don't matter here."""

    __slots__ = ("namespace", "pod", "priority", "profile", "uid")

    def __init__(self, pod: Pod, profile: Profile) -> None:
        self.pod = pod
        self.profile = profile
        self.uid = pod.metadata.uid or f"{pod.metadata.namespace}/{pod.metadata.name}"
        self.namespace = pod.metadata.namespace
        self.priority = pod.spec.priority or 0

    @property
    def name(self) -> str:
        return self.pod.metadata.name

    @property
    def labels(self) -> Mapping[str, str]:
        return self.pod.metadata.labels

    @property
    def terminating(self) -> bool:
        return self.pod.metadata.deletion_timestamp is not None

    def claims(self) -> list[str]:
        """Names of the claims it uses."""
        return [f"{self.name}-{c[1:]}" if c.startswith("*") else c for c in self.profile.claims]


class Profiles:
    """Makes `PodInfo`s, equal pods with one profile."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Profile] = OrderedDict()

    def info(self, pod: Pod) -> PodInfo:
        """The compiled pod. Raises SelectorError for a selector that no API server lets pass."""
        key = _template(pod)
        profile = self._kept.get(key)
        if profile is None:
            profile = self._kept[key] = Profile(pod)
            if len(self._kept) > KEPT_PROFILES:
                self._kept.popitem(last=False)
        return PodInfo(pod, profile)


def _template(pod: Pod) -> bytes:
    """Everything of a pod that can decide about its node, as bytes; not its name, nor volumes without a claim."""
    spec, meta = pod.spec, pod.metadata
    owner = controller_of(meta)
    resized = pod.status.container_statuses if pod.spec.node_name else ()
    return encode(
        (
            meta.namespace,
            dict(meta.labels),
            owner.uid if owner else "",
            [_asked(c) for c in spec.containers or ()],
            [(_asked(c), c.restart_policy) for c in spec.init_containers],
            spec.resources,
            spec.overhead,
            spec.node_selector,
            spec.affinity,
            spec.tolerations,
            spec.topology_spread_constraints,
            spec.host_network,
            required_features(spec),
            claim_names(spec) if spec.volumes else (),
            [(s.name, s.resources, s.allocated_resources) for s in resized],
            [(c.type, c.reason) for c in pod.status.conditions if c.type == "PodResizePending"],
        )
    )


def _asked(container: Container) -> tuple[object, ...]:
    return (container.resources.requests, container.ports, container.image, container.name)
