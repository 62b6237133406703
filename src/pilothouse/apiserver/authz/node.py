"""The Node authorizer: a kubelet reads what its pods need, and writes what is its own.

It never denies; where it has no opinion, its reason says what a node would have needed.
"""

from __future__ import annotations

from collections.abc import Callable

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.authz.bootstrap_policy import clusterroles, table
from pilothouse.apiserver.authz.interface import NO_OPINION, Decision, Rules, Verdict
from pilothouse.apiserver.authz.nodegraph import NodeGraph, Vertex
from pilothouse.apiserver.request.access import Access
from pilothouse.semantics.rbac import allows_path, allows_resource

PREFIX, GROUP = "system:node:", "system:nodes"
LEASE_NAMESPACE = "kube-node-lease"
_ALLOW = Verdict(Decision.ALLOW)
_OWN_VERBS = ("get", "create", "update", "patch", "delete")
Rule = Callable[[str, Access], Verdict]


def node_of(user: UserInfo) -> str | None:
    """The name of the node that `user` is (empty if it has none); None if it is no node."""
    if not user.username.startswith(PREFIX) or GROUP not in user.groups:
        return None
    return user.username[len(PREFIX) :]


def _no(reason: str) -> Verdict:
    return Verdict(Decision.NO_OPINION, reason)


class NodeAuthorizer:
    """Decides for users `system:node:NAME` of group `system:nodes`."""

    def __init__(self, graph: NodeGraph) -> None:
        self._graph = graph
        self._rules = table.read(clusterroles.ROLES)["system:node"]
        self._special: dict[tuple[str, str], Rule] = {
            ("", "secrets"): self._read,
            ("", "configmaps"): self._read,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._get,
            ("resource.k8s.io", "resourceclaims"): self._get,
            ("storage.k8s.io", "volumeattachments"): self._get,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
        }

    def authorize(self, access: Access) -> Verdict:
        node = node_of(access.user)
        if node is None:
            return NO_OPINION
        if not node:
            return _no(f'unknown node for user "{access.user.username}"')
        special = self._special.get((access.group, access.resource)) if access.resource else None
        if special is not None:
            return special(node, access)
        resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
        for rule in self._rules:
            if access.resource:
                allowed = allows_resource(rule, access.verb, access.group, resource, access.name)
            else:
                allowed = allows_path(rule, access.verb, access.path)
            if allowed:
                return _ALLOW
        return NO_OPINION

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        """Nothing can be listed for a node: what it may do depends on its pods."""
        if node_of(user) is None:
            return Rules((), (), False, "")
        return Rules((), (), True, "node authorizer does not support user rule resolution")

    def _related(self, node: str, access: Access) -> Verdict:
        if not access.name:
            return _no("No Object name found")
        if self._graph.related(node, Vertex(access.resource, access.namespace, access.name)):
            return _ALLOW
        return _no(f"no relationship found between node '{node}' and this object")

    def _read(self, node: str, access: Access) -> Verdict:
        if access.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if access.subresource:
            return _no("cannot read subresource")
        if not access.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, access)

    def _get(self, node: str, access: Access) -> Verdict:
        if access.verb != "get":
            return _no("can only get individual resources of this type")
        if access.subresource:
            return _no("cannot get subresource")
        return self._related(node, access)

    def _claim(self, node: str, access: Access) -> Verdict:
        if access.subresource != "status":
            return self._get(node, access)
        if access.verb not in ("get", "update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, access)

    def _account(self, node: str, access: Access) -> Verdict:
        if access.verb == "get" and not access.subresource:
            return self._related(node, access)
        if access.verb != "create" or not access.name:
            return _no("can only create tokens for individual service accounts")
        if access.subresource != "token":
            return _no("can only create token subresource of service account")
        return self._related(node, access)

    def _lease(self, node: str, access: Access) -> Verdict:
        if access.verb not in _OWN_VERBS:
            return _no("can only get, create, update, patch, or delete a node lease")
        if access.namespace != LEASE_NAMESPACE:
            return _no(f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
        # The name of what is to be created is in the body: the admission plugin NodeRestriction looks there.
        if access.verb != "create" and access.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return _ALLOW

    def _csi_node(self, node: str, access: Access) -> Verdict:
        if access.verb not in _OWN_VERBS:
            return _no("can only get, create, update, patch, or delete a CSINode")
        if access.subresource:
            return _no("cannot authorize CSINode subresources")
        if access.verb != "create" and access.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return _ALLOW

    def _slice(self, node: str, access: Access) -> Verdict:
        if access.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        match access.verb:
            case "create":
                return _ALLOW
            case "get" | "update" | "patch" | "delete":
                return self._related(node, access)
            case "watch" | "list" | "deletecollection":
                if _selects(access, "spec.nodeName", node):
                    return _ALLOW
                return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        return _no(
            "only the following verbs are allowed for a ResourceSlice: "
            "get, watch, list, create, update, patch, delete, deletecollection"
        )

    def _node(self, node: str, access: Access) -> Verdict:
        writes = access.verb in ("update", "patch")
        if access.subresource:
            return _ALLOW if access.subresource == "status" and writes else NO_OPINION
        if access.verb == "create" or writes:
            return _ALLOW
        if access.verb not in ("get", "list", "watch"):
            return NO_OPINION
        if access.name == node:
            return _ALLOW
        if not access.name:
            return _no(f"node '{node}' cannot read all nodes, only its own Node object")
        return _no(f"node '{node}' cannot read '{access.name}', only its own Node object")

    def _pod(self, node: str, access: Access) -> Verdict:
        verb = access.verb
        if access.subresource == "status":
            return _ALLOW if verb in ("update", "patch") else NO_OPINION
        if access.subresource == "eviction":
            return _ALLOW if verb == "create" else NO_OPINION
        if access.subresource:
            return NO_OPINION
        if verb in ("create", "delete"):
            return _ALLOW
        if verb == "get":
            return self._get(node, access)
        if verb not in ("list", "watch"):
            return NO_OPINION
        if _selects(access, "spec.nodeName", node):
            return _ALLOW
        if access.name:
            return self._related(node, access)
        return _no("can only list/watch pods with spec.nodeName field selector")


def _selects(access: Access, field: str, value: str) -> bool:
    return any(r.key == field and r.operator == "In" and r.values == (value,) for r in access.field_selector)
