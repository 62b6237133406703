"""MutatingWebhookConfiguration."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import MutatingWebhookConfiguration
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=MutatingWebhookConfiguration,
    prefix="mutatingwebhookconfigurations",
    generation=("webhooks",),
    allow_unconditional_update=False,
)
