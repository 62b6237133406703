"""MutatingWebhookConfiguration."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors
from pilothouse.api.types.admissionregistration.v1 import MutatingWebhookConfiguration
from pilothouse.kinds.admissionregistration import webhooks
from pilothouse.kinds.cells import age
from pilothouse.kinds.strategy import Cell, MetaUpdate, Strategy


def defaults(obj: MutatingWebhookConfiguration) -> MutatingWebhookConfiguration:
    filled = tuple(map(webhooks.defaults, obj.webhooks))
    return obj if filled == obj.webhooks else replace(obj, webhooks=filled)


def validate(obj: MutatingWebhookConfiguration) -> FieldErrors:
    return webhooks.validate(obj.webhooks)


def row(obj: MutatingWebhookConfiguration, now: float) -> Sequence[Cell]:
    return obj.metadata.name, len(obj.webhooks), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=MutatingWebhookConfiguration,
    prefix="mutatingwebhookconfigurations",
    generation=("webhooks",),
    allow_unconditional_update=False,
    row=row,
    meta_update=MetaUpdate(whole=1, change=0),
    defaults=defaults,
    validate=validate,
)
