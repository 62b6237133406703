"""SelfSubjectRulesReview: what may I do in this namespace?"""

from __future__ import annotations

from typing import Any

from pilothouse.api.errors import bad_request
from pilothouse.api.types.authorization.v1 import SelfSubjectRulesReview, SubjectRulesReviewStatus
from pilothouse.apiserver.authz.interface import RuleResolver
from pilothouse.apiserver.reviews.interface import Call


class SelfSubjectRules:
    """Lists the rules of the one who asks. The answer's spec is empty, as upstream's is."""

    resource = ("authorization.k8s.io", "selfsubjectrulesreviews", "")

    def __init__(self, rules: RuleResolver) -> None:
        self._rules = rules

    def defaults(self, obj: Any) -> Any:
        return obj

    async def create(self, obj: SelfSubjectRulesReview, call: Call) -> SelfSubjectRulesReview:
        if not obj.spec.namespace:
            raise bad_request("no namespace on request")
        await call.admitted(obj)
        found = self._rules.rules_for(call.user, obj.spec.namespace)
        return SelfSubjectRulesReview(
            status=SubjectRulesReviewStatus(
                resource_rules=tuple(found.resource_rules),
                non_resource_rules=tuple(found.non_resource_rules),
                incomplete=found.incomplete,
                evaluation_error=found.error,
            )
        )
