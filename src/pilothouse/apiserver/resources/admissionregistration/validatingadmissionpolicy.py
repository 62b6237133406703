"""ValidatingAdmissionPolicy."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import ValidatingAdmissionPolicy
from pilothouse.apiserver.generic.strategy import Status, Strategy

STRATEGY = Strategy(
    type=ValidatingAdmissionPolicy,
    prefix="validatingadmissionpolicies",
    generation=("spec",),
    allow_unconditional_update=False,
    status=Status(),
)
