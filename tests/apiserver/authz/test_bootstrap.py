"""The roles and bindings that every cluster begins with."""

from __future__ import annotations

import pytest

from pilothouse.api.types.rbac.v1 import PolicyRule
from pilothouse.api.types.resources import SERVED
from pilothouse.apiserver.authz.bootstrap_policy import objects, table
from pilothouse.semantics.rbac import allows_path, allows_resource

CLUSTER_ROLES = {role.metadata.name: role for role in objects.cluster_roles()}
# What rules name though no kind of this server is called so: groups that extensions serve, kinds that were, and names
# that only authorization knows.
ELSEWHERE = {
    "extensions", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io", "*",
}  # fmt: skip
UNSERVED = {
    "nodes/metrics", "nodes/stats", "nodes/log", "nodes/configz", "nodes/healthz", "nodes/pods", "signers",
    "services/finalizers", "endpoints/finalizers", "endpoints/restricted", "pods/finalizers",
    "cronjobs/finalizers", "daemonsets/finalizers", "deployments/finalizers", "deployments/rollback",
    "jobs/finalizers", "replicasets/finalizers", "replicationcontrollers/finalizers", "statefulsets/finalizers",
    "servicecidrs/finalizers", "resourceclaims/binding", "leasecandidates",
    "certificatesigningrequests/nodeclient", "certificatesigningrequests/selfnodeclient",
}  # fmt: skip


def rules() -> list[tuple[str, PolicyRule]]:
    listed = [(role.metadata.name, rule) for role in objects.cluster_roles() for rule in role.rules or ()]
    return listed + [(role.metadata.name, rule) for role in objects.roles() for rule in role.rules or ()]


def test_rules_are_written_as_upstream_writes_them() -> None:
    """Its builder sorts every list of a rule."""
    for name, rule in rules():
        for listed in (rule.verbs, rule.api_groups, rule.resources, rule.resource_names, rule.non_resource_urls):
            assert list(listed or ()) == sorted(set(listed or ())), name
        assert rule.verbs, name
        assert bool(rule.non_resource_urls) != bool(rule.resources), name


def test_rules_name_what_there_is() -> None:
    there = {(r.group, name) for r in SERVED for name in _names(r)}
    for role, rule in rules():
        for group in set(rule.api_groups) - ELSEWHERE:
            for resource in set(rule.resources) - UNSERVED - {"*", "*/scale"}:
                assert any((g, resource) in there for g in rule.api_groups), (role, group, resource)


def _names(resource: object) -> list[str]:
    name = resource.resource  # type: ignore[attr-defined]
    return [name, *(f"{name}/{sub.name}" for sub in resource.subresources)]  # type: ignore[attr-defined]


def test_bindings_bind_roles_that_there_are() -> None:
    for binding in objects.cluster_role_bindings():
        assert binding.role_ref.name == binding.metadata.name
        assert binding.role_ref.name in CLUSTER_ROLES
    roles = {(role.metadata.namespace, role.metadata.name) for role in objects.roles()}
    bound = {(b.metadata.namespace, b.role_ref.name) for b in objects.role_bindings()}
    assert bound == roles


def test_who_controllers_are() -> None:
    """Every controller's role is bound to the account of its name, and none may do everything but those that must."""
    bound = {b.metadata.name: b.subjects for b in objects.cluster_role_bindings()}
    for name, role in CLUSTER_ROLES.items():
        if not name.startswith("system:controller:"):
            continue
        ((subject),) = bound[name]
        assert (subject.kind, subject.namespace) == ("ServiceAccount", "kube-system")
        assert name.endswith(subject.name)
        for rule in role.rules or ():
            assert "*" not in (rule.verbs or ()), name


TABLE = """
system:monitoring
  get /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*
  get core nodes/metrics
  get /flagz
  get /statusz
system:kubelet-api-admin
  get,list,watch core nodes
  proxy core nodes
  * core nodes/log,nodes/metrics,nodes/proxy,nodes/stats
  * core nodes/configz,nodes/healthz,nodes/pods
"""


@pytest.mark.parametrize("name", ["system:monitoring", "system:kubelet-api-admin"])
def test_rules_of_roles(name: str) -> None:
    assert CLUSTER_ROLES[name].rules == table.read(TABLE)[name]


def may(role: str, verb: str, resource: str = "", group: str = "", name: str = "", path: str = "") -> bool:
    return any(
        allows_path(rule, verb, path) if path else allows_resource(rule, verb, group, resource, name)
        for rule in CLUSTER_ROLES[role].rules or ()
    )


@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "name", "allowed"),
    [
        ("system:node", "get", "", "serviceaccounts", "", True),
        ("system:node", "list", "", "serviceaccounts", "", False),
        ("system:node", "create", "events.k8s.io", "events", "", True),
        ("system:node", "create", "resource.k8s.io", "resourceslices", "", False),
        ("system:node", "deletecollection", "resource.k8s.io", "resourceslices", "", True),
        ("system:kube-scheduler", "update", "", "pods/finalizers", "", True),
        ("system:kube-scheduler", "get", "resource.k8s.io", "resourceclaims/status", "", True),
        ("system:kube-scheduler", "create", "resource.k8s.io", "resourceclaims", "", True),
        ("system:kube-scheduler", "update", "resource.k8s.io", "resourceclaims/binding", "", True),
        ("system:kube-scheduler", "update", "coordination.k8s.io", "leases", "kube-scheduler", True),
        ("system:kube-scheduler", "update", "coordination.k8s.io", "leases", "other", False),
        ("system:kube-scheduler", "create", "", "pods", "", False),
        ("system:kube-scheduler", "get", "", "secrets", "", False),
    ],
)
def test_what_components_may(role: str, verb: str, group: str, resource: str, name: str, allowed: bool) -> None:
    assert may(role, verb, resource, group, name) is allowed


def test_the_node_role_is_nobodys() -> None:
    """Nodes are authorized one by one, by the Node authorizer."""
    (binding,) = [b for b in objects.cluster_role_bindings() if b.metadata.name == "system:node"]
    assert not binding.subjects


def test_who_may_lead() -> None:
    subjects = {b.metadata.name: [s.name for s in b.subjects] for b in objects.role_bindings()}
    assert subjects["system::leader-locking-kube-controller-manager"] == [
        "system:kube-controller-manager",
        "kube-controller-manager",
        "leader-election-controller",
    ]
