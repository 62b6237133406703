"""MutatingAdmissionPolicyBinding."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import MutatingAdmissionPolicyBinding
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=MutatingAdmissionPolicyBinding,
    prefix="mutatingadmissionpolicybindings",
    generation=("spec",),
    allow_unconditional_update=False,
)
