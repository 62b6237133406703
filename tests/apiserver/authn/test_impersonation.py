"""Impersonation: what each mode asks for, and whose words refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.impersonation import Impersonation, wanted
from pilothouse.apiserver.authz.interface import NO_OPINION, Access, Decision, Verdict


@dataclass
class Head:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    peer_certificate: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        return None


class Allowing:
    """Allows what is in the table: verb, resource, name ("*" for any)."""

    def __init__(self, *allowed: tuple[str, str, str]) -> None:
        self.allowed = set(allowed)

    def authorize(self, access: Access) -> Verdict:
        resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
        ok = {(access.verb, resource, access.name), (access.verb, resource, "*")} & self.allowed
        return Verdict(Decision.ALLOW) if ok else NO_OPINION


BOB = UserInfo(username="bob")
LIST = Access(BOB, "list", resource="pods", namespace="ns")


def attempt(authorizer: Allowing, **headers: str) -> UserInfo:
    named = [(f"impersonate-{k.replace('_', '-')}".encode(), v.encode()) for k, v in headers.items()]
    asked = wanted(Head(named))
    assert asked is not None
    return Impersonation(authorizer).impersonate(asked, LIST)


def refusal(authorizer: Allowing, **headers: str) -> str:
    with pytest.raises(StatusError) as caught:
        attempt(authorizer, **headers)
    return caught.value.status.message


def test_no_headers_ask_for_nobody() -> None:
    assert wanted(Head([(b"accept", b"*/*")])) is None
    assert wanted(Head([(b"impersonate-user", b"")])) is None


def test_groups_without_a_user() -> None:
    with pytest.raises(StatusError) as caught:
        wanted(Head([(b"impersonate-group", b"devs"), (b"impersonate-extra-Scopes", b"view")]))
    assert caught.value.status.message == (
        'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"devs"}, '
        'Extra:map[string][]string{"scopes":[]string{"view"}}} without impersonating a user name'
    )


def test_the_first_mode_that_applies_words_the_refusal() -> None:
    nothing = Allowing()
    assert "cannot impersonate-on:user-info:list resource" in refusal(nothing, user="alice")
    account = "system:serviceaccount:ns:robot"
    assert "cannot impersonate-on:serviceaccount:list" in refusal(nothing, user=account)
    assert 'cannot impersonate resource "serviceaccounts"' in refusal(nothing, user=account, group="g")
    assert "cannot impersonate-on:arbitrary-node:list" in refusal(nothing, user="system:node:n")
    assert 'cannot impersonate resource "users"' in refusal(nothing, user="system:node:n", group="g")
    assert "cannot impersonate-on:user-info:list" in refusal(nothing, user="system:node:")


def test_groups_of_whom_one_becomes() -> None:
    may = Allowing(
        ("impersonate", "users", "*"), ("impersonate", "groups", "*"), ("impersonate", "serviceaccounts", "*")
    )
    assert attempt(may, user="alice").groups == ("system:authenticated",)
    assert attempt(may, user="alice", group="devs").groups == ("devs", "system:authenticated")
    assert attempt(may, user="alice", group="system:unauthenticated").groups == ("system:unauthenticated",)
    assert attempt(may, user="system:anonymous").groups == ("system:unauthenticated",)
    assert attempt(may, user="system:serviceaccount:ns:robot").groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:ns",
        "system:authenticated",
    )
    assert attempt(may, user="system:serviceaccount:broken").groups == ("system:authenticated",)


def test_the_constrained_mode_needs_both_rights() -> None:
    on, who = ("impersonate-on:arbitrary-node:list", "pods", "*"), ("impersonate:arbitrary-node", "nodes", "n")
    assert attempt(Allowing(on, who), user="system:node:n").groups == ("system:nodes", "system:authenticated")
    assert 'cannot impersonate:arbitrary-node resource "nodes"' in refusal(Allowing(on), user="system:node:n")


def test_the_last_successful_mode_words_later_refusals() -> None:
    impersonation = Impersonation(Allowing(("impersonate", "users", "alice")))

    def as_user(name: bytes) -> UserInfo:
        asked = wanted(Head([(b"impersonate-user", name)]))
        assert asked is not None
        return impersonation.impersonate(asked, LIST)

    with pytest.raises(StatusError, match="impersonate-on:user-info"):
        as_user(b"bob")
    assert as_user(b"alice").username == "alice"
    with pytest.raises(StatusError, match=r'users "bob" is forbidden.*cannot impersonate resource "users"'):
        as_user(b"bob")
