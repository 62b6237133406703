"""The RBAC authorizer: what rules allow, reasons in upstream's words, and that changes take effect at once."""

from __future__ import annotations

import pytest

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from pilothouse.apiserver.authz.bootstrap_policy import objects
from pilothouse.apiserver.authz.bootstrap_policy.table import read
from pilothouse.apiserver.authz.forbidden import forbidden
from pilothouse.apiserver.authz.interface import Verdict
from pilothouse.apiserver.authz.rbac import RBAC
from pilothouse.apiserver.authz.union import Authorizers, RuleResolvers
from pilothouse.apiserver.request.access import Access
from pilothouse.testing.reader import FakeReader

ALICE = UserInfo(username="alice", groups=("devs", "system:authenticated"))
ROBOT = UserInfo(username="system:serviceaccount:ns:robot", groups=("system:authenticated",))


def rules(text: str) -> tuple[PolicyRule, ...]:
    return read("r\n" + text)["r"]


def role(name: str, text: str) -> Role:
    return Role(metadata=ObjectMeta(name=name, namespace="ns"), rules=rules(text))


def binding(kind: str, ref: str, *subjects: Subject) -> RoleBinding:
    ref_ = RoleRef(kind=kind, name=ref)
    return RoleBinding(metadata=ObjectMeta(name="b", namespace="ns"), subjects=subjects, role_ref=ref_)


def user(name: str) -> Subject:
    return Subject(kind="User", name=name)


def ask(
    rbac: RBAC, who: UserInfo, verb: str, resource: str, *, namespace: str = "ns", group: str = "", name: str = ""
) -> Verdict:
    resource, _, subresource = resource.partition("/")
    return rbac.authorize(
        Access(who, verb, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name)
    )


def test_reasons_name_binding_role_and_subject() -> None:
    reader = FakeReader(
        role("r", "  get core pods"),
        binding(
            "Role", "r", user("bob"), Subject(kind="Group", name="devs"), Subject(kind="ServiceAccount", name="robot")
        ),
    )
    rbac = RBAC(reader)
    assert ask(rbac, ALICE, "get", "pods").reason == 'RBAC: allowed by RoleBinding "b/ns" of Role "r" to Group "devs"'
    assert ask(rbac, ROBOT, "get", "pods").reason == (
        'RBAC: allowed by RoleBinding "b/ns" of Role "r" to ServiceAccount "robot/ns"'
    )
    assert not ask(rbac, ALICE, "get", "pods", namespace="other").allowed
    assert not ask(rbac, ALICE, "get", "pods", namespace="").allowed


@pytest.mark.parametrize(
    ("verb", "group", "resource", "name", "allowed"),
    [
        ("get", "apps", "deployments/scale", "", True),
        ("get", "apps", "deployments", "", False),
        ("patch", "batch", "jobs/status", "", True),
        ("*", "batch", "*", "", True),
        ("list", "", "widgets", "", True),
        ("*", "*", "*", "", False),
        ("get", "", "secrets", "one", True),
        ("get", "", "secrets", "two", False),
        ("create", "", "secrets", "", False),
    ],
)
def test_wildcards_and_names(verb: str, group: str, resource: str, name: str, allowed: bool) -> None:
    text = "  get apps */scale\n  * batch *\n  list * widgets\n  get,create core secrets one"
    rbac = RBAC(FakeReader(role("r", text), binding("Role", "r", user("alice"))))
    assert ask(rbac, ALICE, verb, resource, group=group, name=name).allowed is allowed


def test_paths() -> None:
    cluster_role = ClusterRole(metadata=ObjectMeta(name="c"), rules=rules("  get /api,/apis/*"))
    bound = ClusterRoleBinding(
        metadata=ObjectMeta(name="c"), subjects=(user("alice"),), role_ref=RoleRef(kind="ClusterRole", name="c")
    )
    rbac = RBAC(FakeReader(cluster_role, bound))
    for path, allowed in (("/api", True), ("/api/v1", False), ("/apis/apps/v1", True), ("/apis", False)):
        assert rbac.authorize(Access(ALICE, "get", path=path)).allowed is allowed
    assert not rbac.authorize(Access(ALICE, "post", path="/api")).allowed


def test_changes_take_effect_at_once() -> None:
    reader = FakeReader()
    rbac = RBAC(reader)
    assert not ask(rbac, ALICE, "get", "pods").allowed
    bound = binding("Role", "r", user("alice"))
    reader.put(bound)
    verdict = ask(rbac, ALICE, "get", "pods")
    assert verdict.reason == 'RBAC: role.rbac.authorization.k8s.io "r" not found'
    message = forbidden(Access(ALICE, "get", resource="pods", namespace="ns", name="p"), verdict.reason).status.message
    assert message == (
        'pods "p" is forbidden: User "alice" cannot get resource "pods" in API group "" in the namespace "ns": '
        'RBAC: role.rbac.authorization.k8s.io "r" not found'
    )
    reader.put(role("r", "  get core pods"))
    assert ask(rbac, ALICE, "get", "pods").allowed
    reader.put(role("r", "  list core pods"))
    assert not ask(rbac, ALICE, "get", "pods").allowed
    reader.put(role("r", "  get core pods"))
    reader.remove(bound)
    assert not ask(rbac, ALICE, "get", "pods").allowed


def test_masters_may_do_all() -> None:
    authorizers = Authorizers([RBAC(FakeReader())])
    root = UserInfo(username="x", groups=("system:masters",))
    assert authorizers.authorize(Access(root, "delete", resource="nodes")) == Verdict(
        authorizers.authorize(Access(root, "get", path="/")).decision
    )
    assert not authorizers.authorize(Access(ALICE, "get", path="/")).allowed


@pytest.fixture(scope="module")
def bootstrapped() -> RBAC:
    return RBAC(FakeReader(*objects.cluster_roles(), *objects.cluster_role_bindings()))


def test_the_bootstrap_roles(bootstrapped: RBAC) -> None:
    anonymous = UserInfo(username="system:anonymous", groups=("system:unauthenticated",))
    for path, allowed in (
        ("/healthz", True),
        ("/livez", True),
        ("/version", True),
        ("/api", False),
        ("/livez/ping", False),
    ):
        assert bootstrapped.authorize(Access(anonymous, "get", path=path)).allowed is allowed
    verdict = bootstrapped.authorize(Access(ALICE, "get", path="/api/v1"))
    assert verdict.reason == (
        'RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" '
        'to Group "system:authenticated"'
    )
    scheduler = UserInfo(username="system:kube-scheduler", groups=("system:authenticated",))
    assert ask(bootstrapped, scheduler, "create", "pods/binding").allowed
    assert not ask(bootstrapped, scheduler, "create", "pods").allowed


def test_rules_of_a_user(bootstrapped: RBAC) -> None:
    found = RuleResolvers([bootstrapped]).rules_for(ALICE, "ns")
    assert [r.resources for r in found.resource_rules] == [
        ("selfsubjectaccessreviews", "selfsubjectrulesreviews"),
        ("selfsubjectreviews",),
    ]
    assert not found.incomplete
    assert "/apis/*" in found.non_resource_rules[0].non_resource_urls
