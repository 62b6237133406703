"""ValidatingAdmissionPolicyBinding."""

from __future__ import annotations

from pilothouse.api.types.admissionregistration.v1 import ValidatingAdmissionPolicyBinding
from pilothouse.apiserver.generic.strategy import Strategy

STRATEGY = Strategy(
    type=ValidatingAdmissionPolicyBinding,
    prefix="validatingadmissionpolicybindings",
    generation=("spec",),
    allow_unconditional_update=False,
)
