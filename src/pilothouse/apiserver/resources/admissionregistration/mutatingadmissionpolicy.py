"""MutatingAdmissionPolicy."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicy
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=MutatingAdmissionPolicy,
    prefix="mutatingadmissionpolicies",
    generation=("spec",),
    allow_unconditional_update=False,
)
