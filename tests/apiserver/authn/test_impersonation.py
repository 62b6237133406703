"""Impersonation: what each mode asks for, and whose words refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authn.impersonation import Impersonation, wanted
from pilothouse.apiserver.authz.interface import NO_OPINION, Decision, Verdict
from pilothouse.apiserver.request.access import Access


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


EVERYTHING = Allowing(
    ("impersonate-on:user-info:list", "pods", "*"),
    *(("impersonate:user-info", resource, "*") for resource in ("users", "groups", "uids")),
    ("impersonate:user-info", "userextras/example.com/a", "*"),
)


@pytest.mark.parametrize(
    ("group", "extra", "told"),
    [
        ("system:masters", "", 'groups.authentication.k8s.io "system:masters" is forbidden: User "bob" cannot '
         'impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: '
         "impersonating the system:masters group is not allowed"),
        ("", "", 'groups.authentication.k8s.io is forbidden: User "bob" cannot impersonate:user-info resource "groups" '
         'in API group "authentication.k8s.io" at the cluster scope: impersonating the empty string group is not '
         "allowed"),
        ("devs", "scopes", 'cannot impersonate:user-info resource "userextras" in API group "authentication.k8s.io" '
         "at the cluster scope: impersonating an invalid key in extra is not allowed: extra.key: Invalid value: "
         '"scopes": must be a domain-prefixed path (such as "acme.io/foo")'),
        ("devs", "example.com%2F%41", 'impersonating a non-lowercase key in extra is not allowed: "example.com/A"'),
    ],
)  # fmt: skip
def test_what_the_constrained_mode_refuses_whatever_the_rights(group: str, extra: str, told: str) -> None:
    headers = [(b"impersonate-user", b"alice"), (b"impersonate-group", group.encode())]
    headers += [(f"impersonate-extra-{extra}".encode(), b"v")] if extra else []
    asked = wanted(Head(headers))
    assert asked is not None
    with pytest.raises(StatusError) as caught:
        Impersonation(EVERYTHING).impersonate(asked, LIST)
    assert told in caught.value.status.message


def test_what_the_constrained_mode_allows() -> None:
    headers = [(b"impersonate-user", b"alice"), (b"impersonate-extra-example.com%2fa", b"v")]
    headers += [(b"impersonate-uid", b"u"), (b"impersonate-group", b"devs")]
    asked = wanted(Head(headers))
    assert asked is not None
    user = Impersonation(EVERYTHING).impersonate(asked, LIST)
    assert (user.username, user.uid, user.groups) == ("alice", "u", ("devs", "system:authenticated"))
    assert user.extra == {"example.com/a": ("v",)}
    empty = wanted(Head([*headers, (b"impersonate-extra-example.com%2fa", b"")]))
    assert empty is not None
    with pytest.raises(StatusError, match="impersonating the empty string value in extra is not allowed"):
        Impersonation(EVERYTHING).impersonate(empty, LIST)


def test_the_plain_right_to_impersonate_still_makes_masters() -> None:
    may = Allowing(("impersonate", "users", "*"), ("impersonate", "groups", "system:masters"))
    assert attempt(may, user="alice", group="system:masters").groups == ("system:masters", "system:authenticated")


@pytest.mark.parametrize("count", [3, 4])
def test_many_groups_are_asked_for_at_once(count: int) -> None:
    class Wildcard(Allowing):
        def authorize(self, access: Access) -> Verdict:
            exact = access.resource != "groups" or access.name == "*"
            return super().authorize(access) if exact else NO_OPINION

    headers = [(b"impersonate-user", b"alice"), *((b"impersonate-group", b"g%d" % n) for n in range(count))]
    asked = wanted(Head(headers))
    assert asked is not None
    impersonation = Impersonation(Wildcard(*EVERYTHING.allowed))
    if count == 4:
        assert len(impersonation.impersonate(asked, LIST).groups) == 5
    else:
        with pytest.raises(StatusError, match='"g0" is forbidden'):
            impersonation.impersonate(asked, LIST)


def test_of_two_names_the_first_counts() -> None:
    first = wanted(Head([(b"impersonate-user", b"alice"), (b"impersonate-user", b"root")]))
    assert first is not None
    assert first.name == "alice"
    assert wanted(Head([(b"impersonate-user", b""), (b"impersonate-user", b"root")])) is None


def test_a_name_that_no_node_has_is_an_ordinary_user() -> None:
    assert "cannot impersonate-on:user-info:list" in refusal(Allowing(), user="system:node:No_Node")


def test_nobody_is_unauthenticated_whatever_else_he_is() -> None:
    may = Allowing(("impersonate", "users", "*"), ("impersonate", "groups", "*"))
    found = attempt(may, user="system:anonymous", group="system:authenticated")
    assert found.groups == ("system:authenticated", "system:unauthenticated")
