"""PriorityLevelConfiguration."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.types.flowcontrol.v1 import PriorityLevelConfiguration, QueuingConfiguration
from pilothouse.apiserver.generic.strategy import Cell, Status, Strategy
from pilothouse.apiserver.resources.declare import fill
from pilothouse.apiserver.table.cells import NONE, age


def defaults(obj: PriorityLevelConfiguration) -> PriorityLevelConfiguration:
    spec = obj.spec
    if spec.exempt is not None:
        filled = fill(spec.exempt, nominal_concurrency_shares=0, lendable_percent=0)
        spec = spec if filled is spec.exempt else replace(spec, exempt=filled)
    if spec.limited is not None:
        limited = fill(spec.limited, nominal_concurrency_shares=30, lendable_percent=0)
        queuing = limited.limit_response.queuing
        if queuing is not None:
            queued = QueuingConfiguration(
                queues=queuing.queues or 64,
                hand_size=queuing.hand_size or 8,
                queue_length_limit=queuing.queue_length_limit or 50,
            )
            limited = replace(limited, limit_response=replace(limited.limit_response, queuing=queued))
        spec = replace(spec, limited=limited)
    return obj if spec == obj.spec else replace(obj, spec=spec)


def row(obj: PriorityLevelConfiguration, now: float) -> Sequence[Cell]:
    limited = obj.spec.limited
    shares: Cell = NONE
    queues: tuple[Cell, Cell, Cell] = (NONE, NONE, NONE)
    if limited is not None:
        shares = limited.nominal_concurrency_shares
        queuing = limited.limit_response.queuing
        if queuing is not None:
            queues = (queuing.queues, queuing.hand_size, queuing.queue_length_limit)
    elif obj.spec.exempt is not None:
        shares = obj.spec.exempt.nominal_concurrency_shares
    return (obj.metadata.name, obj.spec.type, shares, *queues, age(obj.metadata.creation_timestamp, now))


STRATEGY = Strategy(
    type=PriorityLevelConfiguration,
    prefix="prioritylevelconfigurations",
    generation=("spec",),
    status=Status(),
    row=row,
    defaults=defaults,
)
