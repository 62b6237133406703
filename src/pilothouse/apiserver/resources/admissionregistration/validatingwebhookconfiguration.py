"""ValidatingWebhookConfiguration."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import ValidatingWebhookConfiguration
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=ValidatingWebhookConfiguration,
    prefix="validatingwebhookconfigurations",
    generation=("webhooks",),
    allow_unconditional_update=False,
)
