"""CronJob."""

from __future__ import annotations

from pilothouse.api.types.batch.v1 import CronJob
from pilothouse.apiserver.generic.strategy import Status, Strategy
from pilothouse.semantics.validation.names import dns_subdomain, limited

STRATEGY = Strategy(
    type=CronJob,
    prefix="cronjobs",
    name=limited(dns_subdomain, 52),
    generation=("spec",),
    status=Status(),
)
