"""Authentication end to end without a network: certificates, the kinds of tokens, and bearer headers as they come."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Pod, Secret, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.authn.build import Authn, Settings, build
from pilothouse.apiserver.authn.interface import BadCredentials
from pilothouse.apiserver.authn.serviceaccounts import Bound, TokenIssuer
from pilothouse.kit import jwt, tls
from pilothouse.kit.random import Chance
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.reader import FakeReader

SIGNER = jwt.Signer(tls.new_key())
ACCOUNT = ServiceAccount(metadata=ObjectMeta(name="robot", namespace="ns", uid="u1"))
POD = Pod(metadata=ObjectMeta(name="p", namespace="ns", uid="p1"))
UNBOUND = Bound()
API = "https://kubernetes.default.svc.cluster.local"


@dataclass
class Head:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    peer_certificate: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        return next((v for n, v in self.headers if n == name), None)


class World:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.reader = FakeReader(ACCOUNT, POD)
        self.issuer = TokenIssuer(SIGNER, self.clock, Chance(1))
        static = {"secret": UserInfo(username="tester", groups=("system:masters",))}
        settings = Settings(keys=[SIGNER.key], static_tokens=static)
        self.authn: Authn = build(settings, self.reader, self.clock)

    def token(self, bound: Bound = UNBOUND, seconds: int = 3600, audience: str = API) -> str:
        return self.issuer.issue(ACCOUNT.metadata, [audience], seconds, bound)

    def user(self, authorization: str | None = None, certificate: bytes | None = None) -> UserInfo:
        headers = [] if authorization is None else [(b"authorization", authorization.encode())]
        return self.authn.requests.authenticate(Head(headers, certificate)).user

    def refusal(self, token: str, audiences: tuple[str, ...] = ()) -> str:
        with pytest.raises(BadCredentials) as caught:
            self.authn.tokens.authenticate_token(token, audiences)
        return str(caught.value)


@pytest.fixture
def world() -> World:
    return World()


def test_nobody_is_anonymous(world: World) -> None:
    assert world.user() == UserInfo(username="system:anonymous", groups=("system:unauthenticated",))


def test_a_certificate_names_user_and_groups(world: World) -> None:
    now = world.clock.now()
    pair = tls.new_authority("ca", now=now).issue_client("system:node:n", ["system:nodes"], now=now, lifetime=60)
    user = world.user(certificate=tls.to_der(pair.certificate))
    assert (user.username, user.groups) == ("system:node:n", ("system:nodes", "system:authenticated"))
    world.clock.jump(61)
    with pytest.raises(StatusError) as caught:
        world.user(certificate=tls.to_der(pair.certificate))
    assert caught.value.code == 401


def test_a_server_certificate_is_no_clients(world: World) -> None:
    now = world.clock.now()
    pair = tls.new_authority("ca", now=now).issue_server("s", ["localhost"], now=now)
    with pytest.raises(StatusError):
        world.user(certificate=tls.to_der(pair.certificate))


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Bearer secret", "tester"),
        ("bearer secret more words", "tester"),
        ("Bearer  secret", "system:anonymous"),
        ("Token secret", "system:anonymous"),
        ("Bearer", "system:anonymous"),
        ("Basic YTpi", "system:anonymous"),
    ],
)
def test_forms_of_the_header(world: World, header: str, name: str) -> None:
    assert world.user(header).username == name


def test_two_spaces_warn(world: World) -> None:
    found = world.authn.requests.authenticate(Head([(b"authorization", b"Bearer  x")]))
    assert found.warnings == (
        "the provided Authorization header contains extra space before the bearer token, and is ignored",
    )


def test_an_account_token(world: World) -> None:
    user = world.user("Bearer " + world.token())
    assert user.username == "system:serviceaccount:ns:robot"
    assert user.uid == "u1"
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    assert list(user.extra) == ["authentication.kubernetes.io/credential-id"]


def test_a_pod_token_tells_its_pod_and_node_and_dies_with_it(world: World) -> None:
    token = world.token(Bound(pod=("p", "p1"), node=("n", "n1")))
    extra = world.user("Bearer " + token).extra
    assert extra["authentication.kubernetes.io/pod-name"] == ("p",)
    assert extra["authentication.kubernetes.io/node-uid"] == ("n1",)
    world.reader.remove(POD)
    assert world.user("Bearer " + token).username == "system:serviceaccount:ns:robot"  # remembered for a while
    world.clock.jump(10.1)
    assert world.refusal(token) == "[invalid bearer token, service account token has been invalidated]"


def test_refusals(world: World) -> None:
    assert world.refusal("garbage") == "invalid bearer token"
    old = world.token(seconds=600)
    world.clock.jump(601)
    assert world.refusal(old) == "[invalid bearer token, service account token has expired]"
    text = f'[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["{API}"]]'
    assert world.refusal(world.token(audience="vault")) == text
    token = world.token()
    world.reader.put(replace(ACCOUNT, metadata=replace(ACCOUNT.metadata, uid="u2")))
    assert world.refusal(token) == "[invalid bearer token, service account UID (u2) does not match claim (u1)]"


def test_audiences_of_a_review(world: World) -> None:
    found = world.authn.tokens.authenticate_token(world.token(audience="vault"), ("other", "vault"))
    assert found.audiences == ("vault",)


def test_a_legacy_token_lives_as_long_as_its_secret(world: World) -> None:
    token = world.issuer.issue_legacy(ACCOUNT.metadata, "s")
    secret = Secret(metadata=ObjectMeta(name="s", namespace="ns"), data={"token": token.encode()})
    world.reader.put(secret)
    assert world.user("Bearer " + token).username == "system:serviceaccount:ns:robot"
    world.reader.remove(secret)
    world.clock.jump(11)
    assert "invalidated" in world.refusal(token)


BOOTSTRAP = {
    "token-id": b"gold01",
    "token-secret": b"0123456789abcdef",
    "usage-bootstrap-authentication": b"true",
}


@pytest.mark.parametrize(
    ("change", "groups"),
    [
        ({}, ("system:bootstrappers", "system:authenticated")),
        (
            {"auth-extra-groups": b"system:bootstrappers:z,system:bootstrappers:a,system:bootstrappers:z"},
            ("system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:z", "system:authenticated"),
        ),
        ({"auth-extra-groups": b"system:masters"}, None),
        ({"usage-bootstrap-authentication": b"false"}, None),
        ({"token-id": b"gold99"}, None),
        ({"expiration": b"2001-01-01T00:00:00Z"}, None),
        ({"expiration": b"soon"}, None),
        ({"expiration": b"2099-01-01T00:00:00Z"}, ("system:bootstrappers", "system:authenticated")),
    ],
)
def test_bootstrap_tokens(world: World, change: dict[str, bytes], groups: tuple[str, ...] | None) -> None:
    metadata = ObjectMeta(name="bootstrap-token-gold01", namespace="kube-system")
    world.reader.put(Secret(metadata=metadata, type="bootstrap.kubernetes.io/token", data={**BOOTSTRAP, **change}))
    if groups is None:
        assert world.refusal("gold01.0123456789abcdef") == "invalid bearer token"
    else:
        user = world.user("Bearer gold01.0123456789abcdef")
        assert (user.username, user.groups) == ("system:bootstrap:gold01", groups)
