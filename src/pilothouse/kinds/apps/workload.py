"""What the kinds that run pods from a template share: selector, template, numbers, rolling updates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pilothouse.api import go_text
from pilothouse.api.field_errors import FieldError, FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.integers import integer
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.core.v1 import Container, PodTemplateSpec
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.kinds.core.podspec import checks
from pilothouse.kinds.core.podspec.spec import template as template_errors
from pilothouse.semantics.validation import selectors

IMMUTABLE = "field is immutable"
PERCENT_FAULT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_PERCENT = re.compile(r"[0-9]+%\Z")
NO_MATCH = "`selector` does not match template `labels`"


def numbers(path: str, found: Iterable[tuple[str, int | None]]) -> FieldErrors:
    """Numbers that must not be negative, those that are unset left out."""
    return [
        error for name, value in found if value is not None for error in checks.non_negative(f"{path}.{name}", value)
    ]


def int_or_percent(path: str, value: int | str) -> FieldErrors:
    if isinstance(value, int):
        return checks.non_negative(path, value)
    return [] if _PERCENT.match(value) else [invalid(path, value, PERCENT_FAULT)]


def at_most_whole(path: str, value: int | str) -> FieldErrors:
    """A percentage of no more than everything."""
    if isinstance(value, str) and _PERCENT.match(value) and (integer(value[:-1]) or 0) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []


def amount(value: int | str | None) -> int:
    """The number in a number or percentage, 0 where there is none."""
    if isinstance(value, str):
        number = value[:-1] if _PERCENT.match(value) else value
        return integer(number) or 0
    return value or 0


def selector(path: str, found: LabelSelector | None, kind: str) -> FieldErrors:
    if found is None:
        return [required(path)]
    errors = selectors.label_selector(path, found)
    if not found.match_labels and not found.match_expressions:
        errors.append(invalid(path, found, f"empty selector is invalid for {kind}"))
    return errors


def labels_selected(path: str, found: PodTemplateSpec, chosen: LabelSelector | None) -> FieldErrors | None:
    """Whether `chosen` selects the labels of a template; None where it is no selector."""
    try:
        matcher = of_object(chosen) if chosen is not None else None
    except SelectorError:
        return None
    labels = found.metadata.labels
    if matcher is None or not matcher.matches(labels):
        return [unselected(path, labels)]
    return []


def unselected(path: str, labels: Mapping[str, str]) -> FieldError:
    """The refusal of a template, at `path`, whose labels are not those that its owner selects."""
    return invalid(f"{path}.metadata.labels", None if go_text.is_nil(labels) else labels, NO_MATCH)


def replica_template(path: str, found: PodTemplateSpec, chosen: LabelSelector | None) -> FieldErrors:
    """The template of a ReplicaSet or a Deployment: nothing is said of it while its selector cannot be read."""
    selected = labels_selected(path, found, chosen)
    if selected is None:
        return [invalid("spec.selector", chosen, "invalid label selector")]
    return selected + template_errors(path, found) + always_running(path, found, "ReplicaSet")


def always_running(path: str, found: PodTemplateSpec, kind: str) -> FieldErrors:
    """What a template of pods that never end may not say."""
    errors: FieldErrors = []
    policy = found.spec.restart_policy
    if policy != "Always":
        errors.append(not_supported(f"{path}.spec.restartPolicy", policy, ("Always",)))
    if found.spec.active_deadline_seconds is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden(f"{path}.spec.activeDeadlineSeconds", detail))
    return errors


def unchanged_selector(new: LabelSelector | None, old: LabelSelector | None) -> FieldErrors:
    return [] if new == old else [invalid("spec.selector", new, IMMUTABLE)]


def status_counts(counts: Sequence[tuple[str, int | None]], above: Sequence[tuple[str, int, str, int]]) -> FieldErrors:
    """Counts in a status: none negative, and none of `above` (name, value, name of the limit, limit) too large."""
    errors = numbers("status", counts)
    for name, value, limit_name, limit in above:
        if value > limit:
            errors.append(invalid(f"status.{name}", value, f"cannot be greater than {limit_name}"))
    return errors


def not_decremented(new: int | None, old: int | None) -> FieldErrors:
    """The count of collisions only grows."""
    if old is None or (new is not None and new >= old):
        return []
    return [invalid("status.collisionCount", new or 0, "cannot be decremented")]


def container_cells(containers: Sequence[Container] | None) -> tuple[str, str]:
    """The names and the images of containers, as two cells."""
    found = containers or ()
    return ",".join(c.name for c in found), ",".join(c.image for c in found)


def labels_text(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))
