"""What may change of a pod that exists: images, deadlines, more tolerations, fewer gates. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, required
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import annotated, checks, placement
from pilothouse.kinds.core.podspec.containers import whitespace
from pilothouse.kinds.core.podspec.spec import pod

_FIELDS = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)
_LIMIT = 2**31 - 1


def _containers(path: str, new: Sequence[core.Container], old: Sequence[core.Container]) -> FieldErrors:
    """What an update may not do to containers; images, which it may change, are looked at once more."""
    if len(new) != len(old):
        return [forbidden(path, "pod updates may not add or remove containers")]
    errors = [required(f"{path}[{index}].image") for index, container in enumerate(new) if not container.image]
    return errors + whitespace(path, new)


def _deadline(new: int | None, old: int | None) -> tuple[FieldErrors, bool]:
    """Errors of the deadline, and whether nothing else is looked at."""
    path = "spec.activeDeadlineSeconds"
    if new is None:
        detail = "must not update from a positive integer to nil value"
        return ([] if old is None else [invalid(path, None, detail)]), False
    if not 0 <= new <= _LIMIT:
        return [invalid(path, new, checks.between(0, _LIMIT))], True
    if old is not None and old < new:
        return [invalid(path, new, "must be less than or equal to previous value")], True
    return [], False


def _tolerations(new: Sequence[core.Toleration], old: Sequence[core.Toleration]) -> FieldErrors:
    """Old ones stay, but for how long they tolerate; new ones may come."""
    bare = [replace(one, toleration_seconds=None) for one in new]
    if all(replace(one, toleration_seconds=None) in bare for one in old):
        return placement.tolerations("spec.tolerations", new)
    detail = "existing toleration can not be modified except its tolerationSeconds"
    return [forbidden("spec.tolerations", detail)]


def _gates(new: Sequence[core.PodSchedulingGate], old: Sequence[core.PodSchedulingGate]) -> FieldErrors:
    """A new gate is told of once, where it stands last."""
    known = {gate.name for gate in old}
    added = {gate.name: index for index, gate in enumerate(new) if gate.name not in known}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name", f"only deletion is allowed, but found new scheduling gate '{name}'"
        )
        for name, index in added.items()
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
        errors.append(invalid("spec.nodeSelector", dict(new.node_selector) or None, detail))
    fresh, former = _nodes(new.affinity), _nodes(old.affinity)
    affinity = new.affinity
    if fresh != former:
        errors += _narrowed_affinity(fresh, former)
        affinity = replace(new.affinity or core.Affinity(), node_affinity=former)
        affinity = None if old.affinity is None and affinity == core.Affinity() else affinity
    return replace(new, node_selector=old.node_selector, affinity=affinity), errors


def _nodes(affinity: core.Affinity | None) -> core.NodeAffinity | None:
    return affinity.node_affinity if affinity is not None else None


def _terms(affinity: core.NodeAffinity | None) -> Sequence[core.NodeSelectorTerm]:
    wanted = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return (wanted.node_selector_terms if wanted is not None else None) or ()


def _narrowed_affinity(new: core.NodeAffinity | None, old: core.NodeAffinity | None) -> FieldErrors:
    path = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    terms, old_terms = _terms(new), _terms(old)
    if not old_terms:
        return []
    if len(terms) != len(old_terms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        return [invalid(path, terms or None, detail)]
    detail = "only additions are allowed (no mutations or deletions)"
    pairs = enumerate(zip(terms, old_terms, strict=True))
    return [invalid(f"{path}[{i}]", term, detail) for i, (term, old_term) in pairs if not _only_more(term, old_term)]


def _only_more(term: core.NodeSelectorTerm, old: core.NodeSelectorTerm) -> bool:
    """Whether `term` goes on where `old` ends; one that asks for nothing matches nothing, and stays so."""
    if not old.match_expressions and not old.match_fields:
        return not term.match_expressions and not term.match_fields
    expressions, fields = term.match_expressions, term.match_fields
    return (
        expressions[: len(old.match_expressions)] == old.match_expressions
        and fields[: len(old.match_fields)] == old.match_fields
    )


def validate(new: core.Pod, old: core.Pod) -> FieldErrors:
    """Errors of an update through the pod itself; metadata is checked already."""
    errors = pod(new) + annotated.changed("metadata.annotations", new, old)
    for name, fresh, former in (
        ("containers", new.spec.containers or (), old.spec.containers or ()),
        ("initContainers", new.spec.init_containers, old.spec.init_containers),
    ):
        errors += _containers(f"spec.{name}", fresh, former)
        if len(fresh) != len(former):
            return errors
    found, ends = _deadline(new.spec.active_deadline_seconds, old.spec.active_deadline_seconds)
    errors += found
    if ends or new.spec == old.spec:
        return errors
    errors += _tolerations(new.spec.tolerations, old.spec.tolerations)
    errors += _gates(new.spec.scheduling_gates, old.spec.scheduling_gates)
    munged, found = _munged(new.spec, old.spec)
    errors += found
    if munged != old.spec:
        told = f"pod updates may not change fields other than {','.join(_FIELDS)}\n"
        errors.append(forbidden("spec", told + go_text.unified_diff(old.spec, munged)))
    return errors


def _munged(new: core.PodSpec, old: core.PodSpec) -> tuple[core.PodSpec, FieldErrors]:
    """`new` with the old values of what may be changed, and what is wrong with the change of a gated pod."""
    errors: FieldErrors = []
    munged = new
    if old.scheduling_gates:
        munged, errors = _narrowed(munged, old)
    grace, old_grace = munged.termination_grace_period_seconds, old.termination_grace_period_seconds
    if old_grace is not None and old_grace < 0 and grace == 1:
        grace = old_grace
    munged = replace(
        munged,
        containers=_with_images(munged.containers, old.containers),
        init_containers=_with_images(munged.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
        termination_grace_period_seconds=grace,
    )
    return munged, errors
