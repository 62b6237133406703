"""ClusterRoles with an aggregation rule hold the rules of all roles that it selects."""

from __future__ import annotations

from collections.abc import Iterable

from pilothouse.api.codec import json
from pilothouse.api.selectors import SelectorError, of_object
from pilothouse.api.types.rbac.v1 import ClusterRole, PolicyRule
from pilothouse.controllers.environment import Environment
from pilothouse.machinery.client import ApplyPatch, Client
from pilothouse.machinery.controller import Controller, Key, key_of

IDENTITY = "clusterrole-aggregation-controller"


def decide(role: ClusterRole, roles: Iterable[ClusterRole]) -> tuple[PolicyRule, ...] | None:
    """The rules that an aggregating role should hold; None if it holds them, or does not aggregate."""
    if role.aggregation_rule is None:
        return None
    ordered = sorted((r for r in roles if r.metadata.name != role.metadata.name), key=lambda r: r.metadata.name)
    found: list[PolicyRule] = []
    for told in role.aggregation_rule.cluster_role_selectors:
        try:
            selector = of_object(told)
        except SelectorError:
            continue
        for other in ordered:
            if selector.matches(other.metadata.labels):
                found += [rule for rule in other.rules or () if rule not in found]
    return tuple(found) if tuple(found) != tuple(role.rules or ()) else None


def build(env: Environment) -> Controller[Key]:
    """Keys are ClusterRoles."""

    async def reconcile(key: Key, client: Client) -> None:
        role = roles.get(key[1])
        rules = decide(role, roles.list()) if role is not None else None
        if rules is None:
            return
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": key[1]},
            "rules": [json.to_builtins(rule) for rule in rules],
        }
        await client.patch(ClusterRole, key[1], "", ApplyPatch(body, IDENTITY, force=True))

    def changed(old: ClusterRole | None, new: ClusterRole | None) -> Iterable[Key]:
        return [key_of(r) for r in roles.list() if r.aggregation_rule is not None]

    controller = env.controller(IDENTITY, IDENTITY, reconcile, workers=1)
    roles = controller.needs(ClusterRole)
    controller.on(ClusterRole, changed)
    return controller
