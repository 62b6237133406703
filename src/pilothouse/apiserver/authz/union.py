"""Several authorizers as one, and the users who may do all."""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authz.access import joined
from pilothouse.apiserver.authz.interface import Authorizer, Decision, RuleResolver, Rules, Verdict
from pilothouse.apiserver.request.access import Access

MASTERS = "system:masters"
_ALLOW = Verdict(Decision.ALLOW)


class Authorizers:
    """Members of system:masters may do all. For others the first authorizer with an opinion decides; if none has
    one the answer is no, with all their reasons."""

    def __init__(self, authorizers: Sequence[Authorizer]) -> None:
        self._authorizers = tuple(authorizers)

    def authorize(self, access: Access) -> Verdict:
        if MASTERS in access.user.groups:
            return _ALLOW
        reasons: list[str] = []
        errors: list[str] = []
        for authorizer in self._authorizers:
            verdict = authorizer.authorize(access)
            if verdict.decision is not Decision.NO_OPINION:
                return verdict
            reasons += [verdict.reason] if verdict.reason else []
            errors += [verdict.error] if verdict.error else []
        return Verdict(Decision.NO_OPINION, "\n".join(reasons), joined(errors))


class RuleResolvers:
    """What all of them list, together."""

    def __init__(self, resolvers: Sequence[RuleResolver]) -> None:
        self._resolvers = tuple(resolvers)

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        all_rules = [r.rules_for(user, namespace) for r in self._resolvers]
        return Rules(
            [rule for rules in all_rules for rule in rules.resource_rules],
            [rule for rules in all_rules for rule in rules.non_resource_rules],
            any(rules.incomplete for rules in all_rules),
            joined([rules.error for rules in all_rules if rules.error]),
        )
