"""Which nodes a DaemonSet's pod belongs on, and the pod made for one of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pilothouse.api.types.apps.v1 import DaemonSet
from pilothouse.api.types.core.v1 import (
    Affinity,
    Node,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodSpec,
    Toleration,
)
from pilothouse.controllers.pod_control import pod_of
from pilothouse.semantics import taints
from pilothouse.semantics.node_affinity import required_matches

GENERATION_LABEL = "pod-template-generation"
GENERATION_ANNOTATION = "deprecated.daemonset.template.generation"
HASH_LABEL = "controller-revision-hash"
_ALWAYS = (
    (taints.NOT_READY, taints.NO_EXECUTE),
    (taints.UNREACHABLE, taints.NO_EXECUTE),
    (taints.DISK_PRESSURE, taints.NO_SCHEDULE),
    (taints.MEMORY_PRESSURE, taints.NO_SCHEDULE),
    (taints.PID_PRESSURE, taints.NO_SCHEDULE),
    (taints.UNSCHEDULABLE, taints.NO_SCHEDULE),
)
replace = msgspec.structs.replace


def tolerations_of(spec: PodSpec) -> tuple[Toleration, ...]:
    """The template's tolerations and those that every daemon pod has."""
    always = [*_ALWAYS, (taints.NETWORK_UNAVAILABLE, taints.NO_SCHEDULE)] if spec.host_network else list(_ALWAYS)
    added = tuple(Toleration(key=k, operator="Exists", effect=e) for k, e in always)
    return (*spec.tolerations, *(t for t in added if t not in spec.tolerations))


def belongs(ds: DaemonSet, node: Node) -> tuple[bool, bool]:
    """Whether the node should get a pod, and whether one that is there may stay."""
    spec = ds.spec.template.spec
    if spec.node_name not in ("", node.metadata.name) or not required_matches(spec, node):
        return False, False
    tolerations = tolerations_of(spec)
    if taints.find_untolerated(node.spec.taints, tolerations) is None:
        return True, True
    return False, taints.find_untolerated(node.spec.taints, tolerations, (taints.NO_EXECUTE,)) is None


def pod_for(ds: DaemonSet, node: str, digest: str) -> Pod:
    """The pod for one node: bound to it by affinity, so that the scheduler places it."""
    pod = pod_of(ds.spec.template, ds)
    labels = {**pod.metadata.labels, HASH_LABEL: digest}
    generation = ds.metadata.annotations.get(GENERATION_ANNOTATION)
    if generation:
        labels[GENERATION_LABEL] = generation
    spec = replace(
        pod.spec, tolerations=tolerations_of(pod.spec), affinity=_pinned(pod.spec.affinity or Affinity(), node)
    )
    return replace(pod, metadata=replace(pod.metadata, labels=labels), spec=spec)


def _pinned(affinity: Affinity, node: str) -> Affinity:
    field = NodeSelectorRequirement(key="metadata.name", operator="In", values=(node,))
    held = affinity.node_affinity or NodeAffinity()
    required = held.required_during_scheduling_ignored_during_execution
    terms: Sequence[NodeSelectorTerm] = (required.node_selector_terms or ()) if required is not None else ()
    pinned = tuple(replace(t, match_fields=(field,)) for t in terms) or (NodeSelectorTerm(match_fields=(field,)),)
    selector = NodeSelector(node_selector_terms=pinned)
    return replace(affinity, node_affinity=replace(held, required_during_scheduling_ignored_during_execution=selector))


def target(pod: Pod) -> str:
    """The node that a pod is on or meant for; empty if it is for none."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    for term in (required.node_selector_terms or ()) if required is not None else ():
        for field in term.match_fields:
            if field.key == "metadata.name" and field.operator == "In" and len(field.values) == 1:
                return field.values[0]
    return ""


def by_target(pods: Sequence[Pod]) -> Mapping[str, list[Pod]]:
    """Pods by the node they are meant for."""
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        found.setdefault(target(pod), []).append(pod)
    return found
