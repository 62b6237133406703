"""The seam of authorization: a question about one action, and the answer."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.authorization.v1 import NonResourceRule, ResourceRule
from pilothouse.apiserver.request.access import Access


class Decision(enum.Enum):
    ALLOW = "allow"
    DENY = "deny"
    NO_OPINION = "no opinion"


class Verdict(NamedTuple):
    """`reason` explains an allowance or a refusal to the user; `error` tells what could not be looked up."""

    decision: Decision
    reason: str = ""
    error: str = ""

    @property
    def allowed(self) -> bool:
        return self.decision is Decision.ALLOW


NO_OPINION = Verdict(Decision.NO_OPINION)


class Rules(NamedTuple):
    """What a user may do in a namespace, as far as one can list it; `incomplete` when more may be allowed."""

    resource_rules: Sequence[ResourceRule]
    non_resource_rules: Sequence[NonResourceRule]
    incomplete: bool
    error: str


class Authorizer(Protocol):
    """Decides, at once and from memory."""

    def authorize(self, access: Access) -> Verdict: ...


class RuleResolver(Protocol):
    """Lists what a user may do."""

    def rules_for(self, user: UserInfo, namespace: str) -> Rules: ...
