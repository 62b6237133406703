"""Puts the authorizers together: Node, then RBAC, behind the users who may do all."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.apiserver.authz.node import NodeAuthorizer
from pilothouse.apiserver.authz.nodegraph import NodeGraph
from pilothouse.apiserver.authz.rbac import RBAC
from pilothouse.apiserver.authz.union import Authorizers, RuleResolvers
from pilothouse.apiserver.reader import Reader


@dataclass(frozen=True, slots=True)
class Authz:
    """`authorizer` decides, `rules` lists what a user may do, `rbac` knows the roles (for escalation checks)."""

    authorizer: Authorizers
    rules: RuleResolvers
    rbac: RBAC


def build(reader: Reader) -> Authz:
    """Authorization over the roles, bindings and pods that `reader` tells of."""
    node, rbac = NodeAuthorizer(NodeGraph(reader)), RBAC(reader)
    return Authz(Authorizers([node, rbac]), RuleResolvers([node, rbac]), rbac)
