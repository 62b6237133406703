"""Job."""

from __future__ import annotations

from pilothouse.api.types.batch.v1 import Job
from pilothouse.apiserver.generic.strategy import Deletion, Status, Strategy

STRATEGY = Strategy(
    type=Job,
    prefix="jobs",
    generation=("spec",),
    status=Status(),
    own_field_labels=True,
    fields={"status.successful": lambda o: str(o.status.succeeded)},
    deletion=Deletion(orphans_by_default=True),
)
