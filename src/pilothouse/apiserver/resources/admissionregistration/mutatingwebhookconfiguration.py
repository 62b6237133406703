"""MutatingWebhookConfiguration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api.types.admissionregistration.v1 import MutatingWebhook, MutatingWebhookConfiguration
from pilothouse.api.types.meta.v1 import LabelSelector
from pilothouse.apiserver.generic.strategy import Cell, Strategy
from pilothouse.apiserver.table.cells import age


def defaults(obj: MutatingWebhookConfiguration) -> MutatingWebhookConfiguration:
    webhooks = tuple(map(_webhook, obj.webhooks))
    return obj if webhooks == obj.webhooks else replace(obj, webhooks=webhooks)


def _webhook(webhook: MutatingWebhook) -> MutatingWebhook:
    changes: dict[str, Any] = {}
    for name, value in (
        ("failure_policy", "Fail"),
        ("match_policy", "Equivalent"),
        ("namespace_selector", LabelSelector()),
        ("object_selector", LabelSelector()),
        ("timeout_seconds", 10),
        ("reinvocation_policy", "Never"),
    ):
        if getattr(webhook, name) is None:
            changes[name] = value
    service = webhook.client_config.service
    if service is not None and service.port is None:
        changes["client_config"] = replace(webhook.client_config, service=replace(service, port=443))
    rules = tuple(rule if rule.scope is not None else replace(rule, scope="*") for rule in webhook.rules)
    if rules != webhook.rules:
        changes["rules"] = rules
    return replace(webhook, **changes) if changes else webhook


def row(obj: MutatingWebhookConfiguration, now: float) -> Sequence[Cell]:
    return obj.metadata.name, len(obj.webhooks), age(obj.metadata.creation_timestamp, now)


STRATEGY = Strategy(
    type=MutatingWebhookConfiguration,
    prefix="mutatingwebhookconfigurations",
    generation=("webhooks",),
    allow_unconditional_update=False,
    row=row,
    defaults=defaults,
)
