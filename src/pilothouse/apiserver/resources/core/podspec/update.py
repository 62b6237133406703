"""What may change of a pod that exists: images, deadlines, more tolerations, fewer gates. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required
from pilothouse.api.types.core import v1 as core
from pilothouse.apiserver.resources.core.podspec import checks
from pilothouse.apiserver.resources.core.podspec.spec import pod

_FIELDS = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_LIMIT = 2**31 - 1


def _counts(path: str, new: Sequence[core.Container], old: Sequence[core.Container], what: str) -> FieldErrors:
    if len(new) != len(old):
        return [forbidden(path, f"pod updates may not add or remove {what}")]
    return [required(f"{path}[{index}].image") for index, container in enumerate(new) if not container.image]


def _deadline(new: int | None, old: int | None) -> FieldErrors:
    path = "spec.activeDeadlineSeconds"
    if new is not None:
        if not 0 <= new <= _LIMIT:
            return [invalid(path, new, checks.between(0, _LIMIT))]
        if old is not None and old < new:
            return [invalid(path, new, "must be less than or equal to previous value")]
        return []
    return [] if old is None else [invalid(path, None, "must not update from a positive integer to nil value")]


def _tolerations(new: Sequence[core.Toleration], old: Sequence[core.Toleration]) -> FieldErrors:
    """Old ones stay, but for how long they tolerate; new ones may come."""
    bare = [replace(one, toleration_seconds=None) for one in new]
    if all(replace(one, toleration_seconds=None) in bare for one in old):
        return []
    detail = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", detail)]


def _gates(new: Sequence[core.PodSchedulingGate], old: Sequence[core.PodSchedulingGate]) -> FieldErrors:
    known = {gate.name for gate in old}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.name}'",
        )
        for index, gate in enumerate(new)
        if gate.name not in known
    ]


def _with_images(
    new: Sequence[core.Container] | None, old: Sequence[core.Container] | None
) -> tuple[core.Container, ...]:
    pairs = zip(new or (), old or (), strict=True)
    return tuple(replace(fresh, image=former.image) for fresh, former in pairs)


def _narrowed(new: core.PodSpec, old: core.PodSpec) -> tuple[core.PodSpec, FieldErrors]:
    """A gated pod's node selector and affinity may be narrowed; the spec with the old ones, and what is wrong."""
    errors: FieldErrors = []
    if any(new.node_selector.get(key) != value for key, value in old.node_selector.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid("spec.nodeSelector", dict(new.node_selector), detail))
    affinity = new.affinity
    if new.affinity != old.affinity:
        errors += _narrowed_affinity(new, old)
        if not errors or affinity is not None:
            fresh = affinity or core.Affinity()
            former = old.affinity or core.Affinity()
            affinity = replace(fresh, node_affinity=former.node_affinity)
            affinity = old.affinity if affinity == former else affinity
    return replace(new, node_selector=old.node_selector, affinity=affinity), errors


def _narrowed_affinity(new: core.PodSpec, old: core.PodSpec) -> FieldErrors:
    path = "spec.affinity.nodeAffinity"
    former = old.affinity.node_affinity if old.affinity is not None else None
    fresh = new.affinity.node_affinity if new.affinity is not None else None
    before = former.required_during_scheduling_ignored_during_execution if former is not None else None
    after = fresh.required_during_scheduling_ignored_during_execution if fresh is not None else None
    if before is None:
        return []
    at = f"{path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    terms, old_terms = (after.node_selector_terms if after else None) or (), before.node_selector_terms or ()
    if len(terms) != len(old_terms):
        return [invalid(at, terms, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")]
    for index, (term, old_term) in enumerate(zip(terms, old_terms, strict=True)):
        kept = all(one in term.match_expressions for one in old_term.match_expressions)
        if not kept or any(one not in term.match_fields for one in old_term.match_fields):
            return [invalid(f"{at}[{index}]", term, "only additions are allowed (no mutations or deletions)")]
    return []


def validate(new: core.Pod, old: core.Pod) -> FieldErrors:
    """Errors of an update through the pod itself; metadata is checked already."""
    errors = pod(new)
    counts = _counts("spec.containers", new.spec.containers or (), old.spec.containers or (), "containers")
    inits = _counts("spec.initContainers", new.spec.init_containers, old.spec.init_containers, "init containers")
    errors += [*counts, *inits]
    if len(new.spec.containers or ()) != len(old.spec.containers or ()) or len(new.spec.init_containers) != len(
        old.spec.init_containers
    ):
        return errors
    errors += _deadline(new.spec.active_deadline_seconds, old.spec.active_deadline_seconds)
    if new.spec == old.spec:
        return errors
    errors += _tolerations(new.spec.tolerations, old.spec.tolerations)
    errors += _gates(new.spec.scheduling_gates, old.spec.scheduling_gates)
    munged = new.spec
    if old.spec.scheduling_gates:
        munged, narrowed = _narrowed(munged, old.spec)
        errors += narrowed
    grace, old_grace = munged.termination_grace_period_seconds, old.spec.termination_grace_period_seconds
    if old_grace is not None and old_grace < 0 and grace == 1:
        grace = old_grace
    munged = replace(
        munged,
        containers=_with_images(munged.containers, old.spec.containers),
        init_containers=_with_images(munged.init_containers, old.spec.init_containers),
        active_deadline_seconds=old.spec.active_deadline_seconds,
        tolerations=old.spec.tolerations,
        scheduling_gates=old.spec.scheduling_gates,
        termination_grace_period_seconds=grace,
    )
    if munged != old.spec:
        told = f"pod updates may not change fields other than {','.join(_FIELDS)}\n"
        errors.append(forbidden("spec", told + go_text.unified_diff(old.spec, munged)))
    return errors
