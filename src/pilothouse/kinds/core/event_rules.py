"""Validation of Events: lenient for core/v1, whose clients are old, strict for events.k8s.io/v1. Pure.

Paths are those of the storage version but for the reporting controller, which each version calls by its own name.
"""

from __future__ import annotations

from pilothouse.api.field_errors import FieldErrors, invalid, required
from pilothouse.api.types.core.v1 import Event
from pilothouse.semantics.validation.names import qualified_name

IMMUTABLE = "field is immutable"
_LIMIT, _NOTE_LIMIT = 128, 1024
_UNSET = "needs to be unset"
_ELSEWHERE = "does not match event.namespace"


def core_event(event: Event) -> FieldErrors:
    return _anywhere(event, "reportingComponent")


def core_event_update(new: Event, old: Event) -> FieldErrors:
    return core_event(new)


def _anywhere(event: Event, controller: str) -> FieldErrors:
    """What every event keeps to: old ones (without `eventTime`) lie where their object does."""
    about, own = event.involved_object.namespace, event.metadata.namespace
    if not event.event_time:
        fits = own == about if about else own in ("", "default")
        return [] if fits else [invalid("involvedObject.namespace", about, _ELSEWHERE)]
    errors: FieldErrors = []
    if not about and own not in ("default", "kube-system"):
        errors.append(invalid("involvedObject.namespace", about, _ELSEWHERE))
    reporter = event.reporting_component
    if not reporter:
        errors.append(required(controller))
    errors += [invalid(controller, reporter, fault) for fault in qualified_name(reporter)]
    for name, text in (
        ("reportingInstance", event.reporting_instance),
        ("action", event.action),
        ("reason", event.reason),
    ):
        if not text:
            errors.append(required(name))
        errors += _limited(name, text, _LIMIT)
    return errors + _limited("message", event.message, _NOTE_LIMIT)


def _limited(name: str, text: str, limit: int) -> FieldErrors:
    return [invalid(name, "", f"can have at most {limit} characters")] if len(text.encode()) > limit else []


def new_event(event: Event) -> FieldErrors:
    """An event that comes as events.k8s.io/v1: nothing of what that version calls deprecated."""
    errors = _anywhere(event, "reportingController") + _series(event)
    if not event.event_time:
        errors.append(required("eventTime"))
    if event.type not in ("Normal", "Warning"):
        errors.append(invalid("type", "", f"has invalid value: {event.type}"))
    given = (
        ("firstTimestamp", event.first_timestamp),
        ("lastTimestamp", event.last_timestamp),
        ("count", event.count),
        ("source", event.source.component or event.source.host),
    )
    return errors + [invalid(name, "", _UNSET) for name, value in given if value]


def _series(event: Event) -> FieldErrors:
    series = event.series
    if series is None:
        return []
    errors = [invalid("series.count", "", "should be at least 2")] if series.count < 2 else []
    return errors if series.last_observed_time else [*errors, required("series.lastObservedTime")]


_FIXED = (
    ("involvedObject", "involved_object"),
    ("reason", "reason"),
    ("message", "message"),
    ("source", "source"),
    ("firstTimestamp", "first_timestamp"),
    ("lastTimestamp", "last_timestamp"),
    ("count", "count"),
    ("reason", "reason"),
    ("type", "type"),
    ("eventTime", "event_time"),
    ("action", "action"),
    ("related", "related"),
    ("reportingController", "reporting_component"),
    ("reportingInstance", "reporting_instance"),
)


def new_event_update(new: Event, old: Event) -> FieldErrors:
    """Only the series goes on; upstream looks at the reason twice."""
    errors = _anywhere(new, "reportingController")
    if new.series != old.series:
        errors += _series(new)
    for name, attribute in _FIXED:
        value = getattr(new, attribute)
        if value != getattr(old, attribute):
            errors.append(invalid(name, value, IMMUTABLE))
    return errors
