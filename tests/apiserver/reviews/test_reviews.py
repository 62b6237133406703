"""Reviews answer as upstream does, down to the texts of refusals."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import (
    BoundObjectReference,
    SelfSubjectReview,
    TokenRequest,
    TokenRequestSpec,
    TokenReview,
    TokenReviewSpec,
    TokenReviewStatus,
    UserInfo,
)
from pilothouse.api.types.authorization.v1 import (
    FieldSelectorAttributes,
    LocalSubjectAccessReview,
    NonResourceAttributes,
    ResourceAttributes,
    SelfSubjectRulesReview,
    SelfSubjectRulesReviewSpec,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from pilothouse.api.types.core.v1 import Node, Pod, PodSpec, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.authn import build as authn
from pilothouse.apiserver.authn.serviceaccounts import TokenIssuer
from pilothouse.apiserver.authz import build as authz
from pilothouse.apiserver.authz.bootstrap_policy import objects
from pilothouse.apiserver.reviews.interface import Call
from pilothouse.apiserver.reviews.registry import Answering, build
from pilothouse.kit import jwt, tls
from pilothouse.kit.random import Chance
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.reader import FakeReader

SIGNER = jwt.Signer(tls.new_key())
ALICE = UserInfo(username="alice", groups=("system:authenticated",))
AZ, AN = "authorization.k8s.io", "authentication.k8s.io"


class Desk:
    """All reviews over a small cluster."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reader = FakeReader(
            *objects.cluster_roles(),
            *objects.cluster_role_bindings(),
            ServiceAccount(metadata=ObjectMeta(name="robot", namespace="ns", uid="u1")),
            Pod(
                metadata=ObjectMeta(name="p", namespace="ns", uid="p1"),
                spec=PodSpec(service_account_name="robot", node_name="n"),
            ),
            Node(metadata=ObjectMeta(name="n", uid="n1")),
        )
        made = authz.build(self.reader)
        tokens = authn.build(authn.Settings(keys=[SIGNER.key]), self.reader, self.clock).tokens
        issuer = TokenIssuer(SIGNER, self.clock, Chance(1))
        self.reviews = build(Answering(made.authorizer, made.rules, tokens, issuer, self.reader, self.clock))
        self.admitted: list[Any] = []

    async def ask(self, where: tuple[str, str, str], obj: Any, *, name: str = "", user: UserInfo = ALICE) -> Any:
        async def admitted(obj: Any) -> None:
            self.admitted.append(obj)

        return await self.reviews[where].create(obj, Call(user, "ns", name, admitted))

    async def refusal(self, where: tuple[str, str, str], obj: Any, *, name: str = "") -> tuple[int, str]:
        with pytest.raises(StatusError) as caught:
            await self.ask(where, obj, name=name)
        return caught.value.code, caught.value.status.message


@pytest.fixture
def desk() -> Desk:
    return Desk()


def sar(**spec: Any) -> SubjectAccessReview:
    return SubjectAccessReview(spec=SubjectAccessReviewSpec(**spec))


SAR, SELF_RULES = (AZ, "subjectaccessreviews", ""), (AZ, "selfsubjectrulesreviews", "")
LOCAL, TOKEN = (AZ, "localsubjectaccessreviews", ""), ("", "serviceaccounts", "token")


async def test_a_node_is_told_what_it_lacks(desk: Desk) -> None:
    asked = ResourceAttributes(resource="secrets", name="s", namespace="ns", verb="get")
    answer = await desk.ask(SAR, sar(user="system:node:n1", groups=("system:nodes",), resource_attributes=asked))
    assert not answer.status.allowed
    assert answer.status.reason == "no relationship found between node 'n1' and this object"


async def test_unusable_selectors_are_told_and_ignored(desk: Desk) -> None:
    asked = ResourceAttributes(resource="pods", verb="list", field_selector=FieldSelectorAttributes(raw_selector="((("))
    answer = await desk.ask(SAR, sar(user="alice", resource_attributes=asked))
    assert answer.status.evaluation_error == "spec.resourceAttributes.fieldSelector ignored due to parse error"


async def test_reviews_that_ask_nothing(desk: Desk) -> None:
    code, message = await desk.refusal(SAR, sar(user="alice"))
    assert code == 422
    assert message == (
        '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: '
        "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    )
    both = sar(resource_attributes=ResourceAttributes(), non_resource_attributes=NonResourceAttributes())
    _, message = await desk.refusal(SAR, both)
    assert 'Invalid value: {"Path":"","Verb":""}: cannot be specified in combination' in message
    assert 'spec.user: Invalid value: "": at least one of user or group must be specified' in message


async def test_a_local_review_stays_in_its_namespace(desk: Desk) -> None:
    spec = SubjectAccessReviewSpec(user="a", resource_attributes=ResourceAttributes(namespace="other"))
    review = LocalSubjectAccessReview(metadata=ObjectMeta(namespace="ns"), spec=spec)
    code, message = await desk.refusal(LOCAL, review)
    assert (code, "must match metadata.namespace" in message) == (422, True)


async def test_rules_of_a_node_are_incomplete(desk: Desk) -> None:
    review = SelfSubjectRulesReview(spec=SelfSubjectRulesReviewSpec(namespace="ns"))
    node = UserInfo(username="system:node:n", groups=("system:nodes", "system:authenticated"))
    answer = await desk.ask(SELF_RULES, review, user=node)
    assert answer.status.incomplete
    assert answer.status.evaluation_error == "node authorizer does not support user rule resolution"
    assert answer.spec.namespace == ""
    assert await desk.refusal(SELF_RULES, SelfSubjectRulesReview()) == (400, "no namespace on request")


async def test_who_am_i(desk: Desk) -> None:
    answer = await desk.ask((AN, "selfsubjectreviews", ""), SelfSubjectReview(metadata=ObjectMeta(name="x")))
    assert (answer.status.user_info, answer.metadata.name) == (ALICE, "")


async def test_a_pods_token_is_stretched_and_reviewed(desk: Desk) -> None:
    reference = BoundObjectReference(kind="Pod", api_version="v1", name="p")
    spec = TokenRequestSpec(expiration_seconds=3607, bound_object_ref=reference)
    answer = await desk.ask(TOKEN, TokenRequest(spec=spec), name="robot")
    assert answer.metadata.uid == "u1"
    assert desk.admitted[0].spec.audiences == ("https://kubernetes.default.svc.cluster.local",)
    _, claims = jwt.read_unverified(answer.status.token)
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607
    review = TokenReview(spec=TokenReviewSpec(token=answer.status.token))
    found = (await desk.ask((AN, "tokenreviews", ""), review)).status
    assert found.authenticated
    assert found.user.extra["authentication.kubernetes.io/node-uid"] == ("n1",)


async def test_failed_token_reviews(desk: Desk) -> None:
    where = (AN, "tokenreviews", "")
    claimed = TokenReviewStatus(authenticated=True, user=UserInfo(username="me"))
    answer = await desk.ask(where, TokenReview(spec=TokenReviewSpec(token="garbage"), status=claimed))
    assert (answer.status.authenticated, answer.status.error) == (False, "invalid bearer token")
    assert answer.status.user.username == "me"
    assert await desk.refusal(where, TokenReview()) == (
        400,
        "token is required for TokenReview in authentication",
    )


@pytest.mark.parametrize(
    ("reference", "code", "text"),
    [
        ({"kind": "Pod", "name": "none"}, 404, 'pods "none" not found'),
        (
            {"kind": "Pod", "api_version": "v1", "name": "p", "uid": "x"},
            409,
            "the UID in the bound object reference (x)",
        ),
        ({"kind": "ConfigMap", "api_version": "v1"}, 400, "cannot bind token to object of type /v1, Kind=ConfigMap"),
        ({"kind": "Deployment", "api_version": "apps/v1"}, 400, "object of type apps/v1, Kind=Deployment"),
        ({"name": "none"}, 400, "cannot bind token to object of type /, Kind="),
    ],
)
async def test_what_a_token_cannot_be_bound_to(desk: Desk, reference: dict[str, str], code: int, text: str) -> None:
    spec = TokenRequestSpec(bound_object_ref=BoundObjectReference(**reference))
    found, message = await desk.refusal(TOKEN, TokenRequest(spec=spec), name="robot")
    assert found == code
    assert text in message


async def test_bounds_of_a_token_request(desk: Desk) -> None:
    code, message = await desk.refusal(TOKEN, TokenRequest(spec=TokenRequestSpec(expiration_seconds=599)), name="robot")
    assert code == 422
    assert message == (
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: '
        "may not specify a duration less than 10 minutes"
    )
    assert await desk.refusal(TOKEN, TokenRequest(), name="nobody") == (404, 'serviceaccounts "nobody" not found')
