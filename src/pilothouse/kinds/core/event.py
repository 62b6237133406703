"""Event: stored as core/v1, served as events.k8s.io/v1 too; vanishes an hour after its last write."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core.v1 import Event, EventSeries
from pilothouse.api.types.events import v1 as events_v1
from pilothouse.kinds.cells import age
from pilothouse.kinds.core import event_rules
from pilothouse.kinds.strategy import Cell, Deletion, MetaUpdate, ServedVersion, Strategy
from pilothouse.semantics.validation.names import dns_subdomain, path_segment


def to_events_v1(obj: Event) -> events_v1.Event:
    series = obj.series
    return events_v1.Event(
        metadata=obj.metadata,
        event_time=obj.event_time,
        series=None
        if series is None
        else events_v1.EventSeries(count=series.count, last_observed_time=series.last_observed_time),
        reporting_controller=obj.reporting_component,
        reporting_instance=obj.reporting_instance,
        action=obj.action,
        reason=obj.reason,
        regarding=obj.involved_object,
        related=obj.related,
        note=obj.message,
        type=obj.type,
        deprecated_source=obj.source,
        deprecated_first_timestamp=obj.first_timestamp,
        deprecated_last_timestamp=obj.last_timestamp,
        deprecated_count=obj.count,
    )


def from_events_v1(obj: events_v1.Event) -> Event:
    series = obj.series
    return Event(
        metadata=obj.metadata,
        event_time=obj.event_time,
        series=None
        if series is None
        else EventSeries(count=series.count, last_observed_time=series.last_observed_time),
        reporting_component=obj.reporting_controller,
        reporting_instance=obj.reporting_instance,
        action=obj.action,
        reason=obj.reason,
        involved_object=obj.regarding,
        related=obj.related,
        message=obj.note,
        type=obj.type,
        source=obj.deprecated_source,
        first_timestamp=obj.deprecated_first_timestamp,
        last_timestamp=obj.deprecated_last_timestamp,
        count=obj.deprecated_count,
    )


def row(event: Event, now: float) -> Sequence[Cell]:
    """Times of a series win over those of the old fields, and these over the time of the event."""
    first = age(event.first_timestamp or event.event_time, now)
    last = age(event.last_timestamp, now) if event.last_timestamp else first
    count = event.count or 1
    if event.series is not None:
        last, count = age(event.series.last_observed_time, now), event.series.count
    about = event.involved_object
    target = f"{about.kind.lower()}/{about.name}" if about.name else about.kind.lower()
    component, host = event.source.component or event.reporting_component, event.source.host or event.reporting_instance
    return (
        last,
        event.type,
        event.reason,
        target,
        about.field_path,
        f"{component}, {host}" if host else component,
        event.message.strip(),
        first,
        count,
        event.metadata.name,
    )


EVENTS_V1_FIELDS = {
    f"regarding.{name}": f"involvedObject.{name}"
    for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
} | {"reportingController": "reportingComponent"}

EVENTS_V1 = ServedVersion(
    events_v1.Event,
    from_events_v1,
    to_events_v1,
    fields=EVENTS_V1_FIELDS,
    rules={
        "name": dns_subdomain,
        "meta_update": MetaUpdate(),
        "validate": event_rules.new_event,
        "validate_update": event_rules.new_event_update,
    },
)

STRATEGY = Strategy(
    type=Event,
    prefix="events",
    allow_create_on_update=True,
    versions={"events.k8s.io/v1": EVENTS_V1},
    name=path_segment,
    meta_update=MetaUpdate(change=0),
    validate=event_rules.core_event,
    validate_update=event_rules.core_event_update,
    own_field_labels=True,
    fields={
        "involvedObject.kind": lambda o: o.involved_object.kind,
        "involvedObject.namespace": lambda o: o.involved_object.namespace,
        "involvedObject.name": lambda o: o.involved_object.name,
        "involvedObject.uid": lambda o: o.involved_object.uid,
        "involvedObject.apiVersion": lambda o: o.involved_object.api_version,
        "involvedObject.resourceVersion": lambda o: o.involved_object.resource_version,
        "involvedObject.fieldPath": lambda o: o.involved_object.field_path,
        "reason": lambda o: o.reason,
        "reportingComponent": lambda o: o.reporting_component,
        "source": lambda o: o.source.component or o.reporting_component,
        "type": lambda o: o.type,
    },
    deletion=Deletion(collected=False),
    ttl_seconds=3600.0,
    row=row,
)
