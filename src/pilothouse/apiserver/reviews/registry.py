"""The reviews that are served: one line each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.apiserver.authn.serviceaccounts import TokenIssuer
from pilothouse.apiserver.authn.union import ReviewedTokens
from pilothouse.apiserver.authz.interface import Authorizer, RuleResolver
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.reviews.access import LocalSubjectAccess, SelfSubjectAccess, SubjectAccess
from pilothouse.apiserver.reviews.identity import SelfSubject, TokenReviews
from pilothouse.apiserver.reviews.interface import Review
from pilothouse.apiserver.reviews.rules import SelfSubjectRules
from pilothouse.apiserver.reviews.token_request import TokenRequests
from pilothouse.kit.clock import Clock
from pilothouse.semantics.serviceaccounts import ISSUER


@dataclass(frozen=True, slots=True)
class Answering:
    """What the reviews answer from. `audiences` are the API server's own."""

    authorizer: Authorizer
    rules: RuleResolver
    tokens: ReviewedTokens
    issuer: TokenIssuer
    reader: Reader
    clock: Clock
    audiences: tuple[str, ...] = (ISSUER,)


Factory = Callable[[Answering], Review]

REVIEWS: Sequence[Factory] = (
    lambda a: SubjectAccess(a.authorizer),
    lambda a: SelfSubjectAccess(a.authorizer),
    lambda a: LocalSubjectAccess(a.authorizer),
    lambda a: SelfSubjectRules(a.rules),
    lambda a: SelfSubject(a.clock),
    lambda a: TokenReviews(a.tokens, a.audiences),
    lambda a: TokenRequests(a.issuer, a.reader, a.clock, a.audiences),
)


def build(answering: Answering) -> dict[tuple[str, str, str], Review]:
    """`(group, resource, subresource)` to its review."""
    made = [make(answering) for make in REVIEWS]
    return {review.resource: review for review in made}
