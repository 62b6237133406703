"""APIService."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.time import format_time
from pilothouse.api.types.apiregistration.v1 import APIService, APIServiceCondition
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy, Write
from pilothouse.apiserver.table.cells import age


def prepare_create(obj: APIService, write: Write) -> APIService:
    if obj.spec.service is not None:
        return obj
    now = format_time(write.now)
    local = APIServiceCondition(
        type="Available",
        status="True",
        reason="Local",
        message="Local APIServices are always available",
        last_transition_time=now,
    )
    return replace(obj, status=replace(obj.status, conditions=(local,)))


def defaults(obj: APIService) -> APIService:
    service = obj.spec.service
    if service is None or service.port is not None:
        return obj
    return replace(obj, spec=replace(obj.spec, service=replace(service, port=443)))


def row(obj: APIService, now: float) -> Sequence[Cell]:
    service = obj.spec.service
    told = f"{service.namespace}/{service.name}" if service is not None else "Local"
    condition = next((c for c in obj.status.conditions if c.type == "Available"), None)
    available = "Unknown"
    if condition is not None:
        plain = condition.status == "True" or not condition.reason
        available = condition.status if plain else f"{condition.status} ({condition.reason})"
    return obj.metadata.name, told, available, age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=APIService,
    prefix="apiregistration.k8s.io/apiservices",
    allow_unconditional_update=False,
    status=Status(),
    row=row,
    defaults=defaults,
    prepare_create=prepare_create,
)
