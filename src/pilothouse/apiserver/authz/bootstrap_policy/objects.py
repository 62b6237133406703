"""The bootstrap roles and bindings as objects, ready to be written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pilothouse.api.object import Object
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.api.types.rbac.v1 import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from pilothouse.apiserver.authz.bootstrap_policy import clusterroles, controllerroles, namespaced, table
from pilothouse.semantics.rbac import GROUP

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ANNOTATIONS = {AUTOUPDATE: "true"}
_CONTROLLER = "system:controller:"
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"

_GROUPS = {
    "cluster-admin": ("system:masters",),
    "system:monitoring": ("system:monitoring",),
    "system:discovery": ("system:authenticated",),
    "system:basic-user": ("system:authenticated",),
    "system:public-info-viewer": ("system:authenticated", "system:unauthenticated"),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
    "system:node": (),
}
_USERS = {
    "system:node-proxier": "system:kube-proxy",
    "system:kube-controller-manager": "system:kube-controller-manager",
    "system:kube-scheduler": "system:kube-scheduler",
    "system:volume-scheduler": "system:kube-scheduler",
}
_KUBE_DNS = "system:kube-dns"


def everything() -> Iterator[Object]:
    """All roles and bindings."""
    yield from cluster_roles()
    yield from cluster_role_bindings()
    yield from roles()
    yield from role_bindings()


def cluster_roles() -> list[ClusterRole]:
    """All ClusterRoles; the aggregated ones (admin, edit, view) have no rules yet."""
    found = [_cluster_role(name, rules) for name, rules in table.read(clusterroles.ROLES).items()]
    for name, rules in table.read(clusterroles.AGGREGATED).items():
        target = name.rpartition("-")[2]
        found.append(_cluster_role(name, rules, {**_LABELS, _AGGREGATE + target: "true"}))
    found.append(_aggregated("admin", ("admin",), {}))
    found.append(_aggregated("edit", ("edit",), {_AGGREGATE + "admin": "true"}))
    found.append(_aggregated("view", ("view",), {_AGGREGATE + "edit": "true"}))
    found += [_cluster_role(_CONTROLLER + n, rules) for n, rules in table.read(controllerroles.ROLES).items()]
    return found


def cluster_role_bindings() -> list[ClusterRoleBinding]:
    """All ClusterRoleBindings."""
    found = [_cluster_binding(n, [_subject("Group", g) for g in groups]) for n, groups in _GROUPS.items()]
    found += [_cluster_binding(name, [_subject("User", user)]) for name, user in _USERS.items()]
    found.append(_cluster_binding(_KUBE_DNS, [_subject("ServiceAccount", "kube-dns")]))
    for name in table.read(controllerroles.ROLES):
        found.append(_cluster_binding(_CONTROLLER + name, [_subject("ServiceAccount", name)]))
    return found


def roles() -> list[Role]:
    """The Roles of kube-system and kube-public."""
    return [
        Role(metadata=_metadata(name, namespace=namespace), rules=rules)
        for namespace, text in namespaced.ROLES.items()
        for name, rules in table.read(text).items()
    ]


def role_bindings() -> list[RoleBinding]:
    """The RoleBindings of kube-system and kube-public."""
    return [
        RoleBinding(
            metadata=_metadata(name, namespace=namespace),
            subjects=tuple(_subject(kind, who) for kind, who in subjects),
            role_ref=RoleRef(api_group=GROUP, kind="Role", name=role),
        )
        for namespace, name, role, subjects in namespaced.BINDINGS
    ]


def _metadata(name: str, labels: dict[str, str] | None = None, namespace: str = "") -> ObjectMeta:
    return ObjectMeta(name=name, namespace=namespace, labels=labels or _LABELS, annotations=_ANNOTATIONS)


def _cluster_role(name: str, rules: Iterable[PolicyRule], labels: dict[str, str] | None = None) -> ClusterRole:
    return ClusterRole(metadata=_metadata(name, labels), rules=tuple(rules))


def _aggregated(name: str, targets: Iterable[str], labels: dict[str, str]) -> ClusterRole:
    selectors = tuple(LabelSelector(match_labels={_AGGREGATE + t: "true"}) for t in targets)
    return ClusterRole(
        metadata=_metadata(name, {**_LABELS, **labels}),
        aggregation_rule=AggregationRule(cluster_role_selectors=selectors),
    )


def _cluster_binding(name: str, subjects: Iterable[Subject]) -> ClusterRoleBinding:
    ref = RoleRef(api_group=GROUP, kind="ClusterRole", name=name)
    return ClusterRoleBinding(metadata=_metadata(name), subjects=tuple(subjects), role_ref=ref)


def _subject(kind: str, name: str) -> Subject:
    if kind == "ServiceAccount":
        return Subject(kind=kind, name=name, namespace="kube-system")
    return Subject(kind=kind, api_group=GROUP, name=name)
