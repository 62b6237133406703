"""PriorityLevelConfiguration."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid, not_supported, required
from pilothouse.api.types.flowcontrol.v1 import (
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
)
from pilothouse.kinds.cells import NONE, age
from pilothouse.kinds.declare import fill
from pilothouse.kinds.flowcontrol.bootstrap import priority_levels
from pilothouse.kinds.flowcontrol.mandatory import conditions, fixed_spec
from pilothouse.kinds.strategy import Cell, MetaUpdate, Status, Strategy

EXEMPT = "exempt"
TYPES = ("Exempt", "Limited")
RESPONSES = ("Queue", "Reject")
MANDATORY = {level.metadata.name: level.spec for level in priority_levels() if level.metadata.name == "catch-all"}
MOST_QUEUES = 10_000_000
HASH_BITS = 60


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


def _limited_errors(limited: LimitedPriorityLevelConfiguration) -> FieldErrors:
    errors: FieldErrors = []
    path = "spec.limited"
    shares, borrowing = limited.nominal_concurrency_shares, limited.borrowing_limit_percent
    if shares is not None and shares < 0:
        errors.append(invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    errors += _response_errors(f"{path}.limitResponse", limited.limit_response)
    errors += _percent(f"{path}.lendablePercent", limited.lendable_percent)
    if borrowing is not None and borrowing < 0:
        detail = "if specified, must be a non-negative integer"
        errors.append(invalid(f"{path}.borrowingLimitPercent", borrowing, detail))
    return errors


def _percent(path: str, value: int | None) -> FieldErrors:
    return [] if value is None or 0 <= value <= 100 else [invalid(path, value, "must be between 0 and 100, inclusive")]


def _response_errors(path: str, response: LimitResponse) -> FieldErrors:
    at, queuing = f"{path}.queuing", response.queuing
    if response.type == "Reject":
        detail = "must be nil if limited.limitResponse.type is not Limited"
        return [] if queuing is None else [forbidden(at, detail)]
    if response.type != "Queue":
        return [not_supported(f"{path}.type", response.type, RESPONSES)]
    if queuing is None:
        return [required(at, "must not be empty if limited.limitResponse.type is Limited")]
    return _queuing_errors(at, queuing)


def _queuing_errors(path: str, queuing: QueuingConfiguration) -> FieldErrors:
    """Hands are dealt from a hash, which must have bits enough for the queues of a hand."""
    errors: FieldErrors = []
    queues, hand = queuing.queues, queuing.hand_size
    if queuing.queue_length_limit <= 0:
        errors.append(invalid(f"{path}.queueLengthLimit", queuing.queue_length_limit, "must be positive"))
    if queues <= 0:
        errors.append(invalid(f"{path}.queues", queues, "must be positive"))
    elif queues > MOST_QUEUES:
        errors.append(invalid(f"{path}.queues", queues, f"must not be greater than {MOST_QUEUES}"))
    at = f"{path}.handSize"
    if hand <= 0:
        errors.append(invalid(at, hand, "must be positive"))
    elif hand > queues:
        errors.append(invalid(at, hand, f"should not be greater than queues ({queues})"))
    elif math.ceil(math.log2(queues) * hand) > HASH_BITS:
        told = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        errors.append(invalid(at, hand, told))
    return errors


def _exempt_errors(spec: PriorityLevelConfigurationSpec) -> FieldErrors:
    errors: FieldErrors = []
    if spec.limited is not None:
        errors.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
    exempt = spec.exempt
    if exempt is None:
        return errors
    shares = exempt.nominal_concurrency_shares
    if shares is not None and shares < 0:
        errors.append(invalid("spec.exempt.nominalConcurrencyShares", shares, "must be a non-negative integer"))
    return errors + _percent("spec.exempt.lendablePercent", exempt.lendable_percent)


def validate(obj: PriorityLevelConfiguration) -> FieldErrors:
    spec, name = obj.spec, obj.metadata.name
    errors: FieldErrors = []
    if (name == EXEMPT) != (spec.type == "Exempt"):
        errors.append(invalid("spec.type", spec.type, "type must be 'Exempt' if and only if name is 'exempt'"))
    if spec.type == "Exempt":
        errors += _exempt_errors(spec)
    elif spec.type == "Limited":
        if spec.exempt is not None:
            errors.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        if spec.limited is None:
            errors.append(required("spec.limited", "must not be empty when type is Limited"))
        else:
            errors += _limited_errors(spec.limited)
    else:
        errors.append(not_supported("spec.type", spec.type, TYPES))
    return errors + _mandatory_errors(obj) + conditions(obj.status.conditions)


def _mandatory_errors(obj: PriorityLevelConfiguration) -> FieldErrors:
    """Of the exempt level only how much it lends may be changed, of the last resort nothing."""
    spec, name = obj.spec, obj.metadata.name
    if name != EXEMPT:
        return fixed_spec(name, spec, MANDATORY)
    if replace(spec, exempt=None) == PriorityLevelConfigurationSpec(type="Exempt"):
        return []
    detail = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
    return [invalid("spec", spec, detail)]


def row(obj: PriorityLevelConfiguration, now: float) -> Sequence[Cell]:
    limited = obj.spec.limited
    shares: Cell = NONE
    queues: tuple[Cell, Cell, Cell] = (NONE, NONE, NONE)
    if limited is not None:
        shares = limited.nominal_concurrency_shares
        queuing = limited.limit_response.queuing
        if queuing is not None:
            queues = (queuing.queues, queuing.hand_size, queuing.queue_length_limit)
    return (obj.metadata.name, obj.spec.type, shares, *queues, age(obj.metadata.creation_timestamp, now))


STRATEGY = Strategy(
    type=PriorityLevelConfiguration,
    prefix="prioritylevelconfigurations",
    generation=("spec",),
    meta_update=MetaUpdate(whole=1, change=0),
    validate=validate,
    status=Status(
        meta_update=MetaUpdate(change=0),
        validate=lambda new, old: conditions(new.status.conditions),
    ),
    row=row,
    defaults=defaults,
)
