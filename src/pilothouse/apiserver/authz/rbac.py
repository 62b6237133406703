"""The RBAC authorizer: decisions from compiled rules, remembered until a role or binding changes.

Roles and bindings arrive as changes of the cache. What a user may do is put together on the user's first request
and each decision is kept, so that one costs two lookups; any change of any role or binding forgets them all, which
is cheap because such changes are rare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.authorization.v1 import NonResourceRule, ResourceRule
from pilothouse.api.types.rbac.v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject
from pilothouse.apiserver.authz.access import joined
from pilothouse.apiserver.authz.interface import NO_OPINION, Decision, Rules, Verdict
from pilothouse.apiserver.reader import Reader
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.texts import short
from pilothouse.semantics import serviceaccounts as accounts
from pilothouse.semantics.rbac import GROUP, allows_path, allows_resource

_REMEMBERED = 4096
Binding = RoleBinding | ClusterRoleBinding
Member = tuple[str, str]
"""What a binding names: ("User", name) or ("Group", name); an account is the user it logs in as."""


class Grant(NamedTuple):
    """Rules that a binding gives to a user, or why it gives none."""

    rules: tuple[PolicyRule, ...]
    reason: str
    error: str = ""


class _Holder:
    """One user's grants and decisions."""

    __slots__ = ("by_namespace", "cluster", "decisions")

    def __init__(self, cluster: list[Grant]) -> None:
        self.cluster = cluster
        self.by_namespace: dict[str, list[Grant]] = {}
        self.decisions: dict[tuple[str, ...], Verdict] = {}


class RBAC:
    """Answers from the roles and bindings that `reader` tells of."""

    def __init__(self, reader: Reader) -> None:
        self._roles: dict[tuple[str, str], Role] = {}
        self._cluster_roles: dict[str, ClusterRole] = {}
        self._cluster_bindings: dict[Member, dict[str, ClusterRoleBinding]] = {}
        self._bindings: dict[tuple[str, Member], dict[str, RoleBinding]] = {}
        self._holders: dict[tuple[str, tuple[str, ...]], _Holder] = {}
        reader.observe(Role, self._role_changed)
        reader.observe(ClusterRole, self._cluster_role_changed)
        reader.observe(RoleBinding, self._binding_changed)
        reader.observe(ClusterRoleBinding, self._cluster_binding_changed)

    def authorize(self, access: Access) -> Verdict:
        user = access[0]
        holder = self._holders.get((user.username, user.groups)) or self._holder(user)
        key = access[1:9]
        verdict = holder.decisions.get(key)
        if verdict is None:
            verdict = self._decide(user, holder, access)
            if short(key):
                if len(holder.decisions) >= _REMEMBERED:
                    holder.decisions.clear()
                holder.decisions[key] = verdict
        return verdict

    def rules_for(self, user: UserInfo, namespace: str) -> Rules:
        """Every rule that holds for `user` in `namespace`, cluster-wide ones first, just as the roles have them."""
        resource_rules: list[ResourceRule] = []
        paths: list[NonResourceRule] = []
        errors: list[str] = []
        for grant in self._grants(user, namespace):
            errors += [grant.error] if grant.error else []
            for rule in grant.rules:
                if rule.resources:
                    resource_rules.append(
                        ResourceRule(
                            verbs=rule.verbs,
                            api_groups=rule.api_groups,
                            resources=rule.resources,
                            resource_names=rule.resource_names,
                        )
                    )
                if rule.non_resource_urls:
                    paths.append(NonResourceRule(verbs=rule.verbs, non_resource_urls=rule.non_resource_urls))
        return Rules(resource_rules, paths, False, joined(errors))

    def policy_rules(self, user: UserInfo, namespace: str) -> tuple[list[PolicyRule], list[str]]:
        """The rules that `user` holds in `namespace` (empty: cluster-wide), and what could not be resolved."""
        grants = list(self._grants(user, namespace))
        return [rule for g in grants for rule in g.rules], [g.error for g in grants if g.error]

    def role_rules(self, kind: str, name: str, namespace: str) -> tuple[PolicyRule, ...] | None:
        """The rules of the role that a binding in `namespace` refers to; None if it is not there."""
        if kind == "Role":
            role = self._roles.get((namespace, name))
            return None if role is None else role.rules or ()
        cluster_role = self._cluster_roles.get(name)
        return None if cluster_role is None else cluster_role.rules or ()

    def _holder(self, user: UserInfo) -> _Holder:
        if len(self._holders) >= _REMEMBERED:
            self._holders.clear()
        holder = _Holder(self._cluster_grants(user))
        self._holders[(user.username, user.groups)] = holder
        return holder

    def _grants(self, user: UserInfo, namespace: str) -> Iterator[Grant]:
        holder = self._holders.get((user.username, user.groups)) or self._holder(user)
        yield from holder.cluster
        if not namespace:
            return
        local = holder.by_namespace.get(namespace)
        if local is None:
            local = holder.by_namespace[namespace] = self._namespace_grants(user, namespace)
        yield from local

    def _decide(self, user: UserInfo, holder: _Holder, access: Access) -> Verdict:
        resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
        errors: list[str] = []
        for grant in self._grants(user, access.namespace if access.resource else ""):
            if grant.error:
                errors.append(grant.error)
            for rule in grant.rules:
                if access.resource:
                    allowed = allows_resource(rule, access.verb, access.group, resource, access.name)
                else:
                    allowed = allows_path(rule, access.verb, access.path)
                if allowed:
                    return Verdict(Decision.ALLOW, f"RBAC: allowed by {grant.reason}")
        return Verdict(Decision.NO_OPINION, f"RBAC: {joined(errors)}") if errors else NO_OPINION

    def _cluster_grants(self, user: UserInfo) -> list[Grant]:
        found = {b.metadata.name: b for m in _members(user) for b in self._cluster_bindings.get(m, {}).values()}
        return [self._grant(user, found[name], "") for name in sorted(found)]

    def _namespace_grants(self, user: UserInfo, namespace: str) -> list[Grant]:
        found = {b.metadata.name: b for m in _members(user) for b in self._bindings.get((namespace, m), {}).values()}
        return [self._grant(user, found[name], namespace) for name in sorted(found)]

    def _grant(self, user: UserInfo, binding: Binding, namespace: str) -> Grant:
        ref = binding.role_ref
        rules = self.role_rules(ref.kind, ref.name, namespace)
        if rules is None:
            return Grant((), "", f'{ref.kind.lower()}.{GROUP} "{ref.name}" not found')
        name = f"{binding.metadata.name}/{namespace}" if namespace else binding.metadata.name
        told = _first_subject(user, binding, namespace)
        return Grant(rules, f'{binding.kind} "{name}" of {ref.kind} "{ref.name}" to {told}')

    def _role_changed(self, old: Role | None, new: Role | None) -> None:
        self._holders.clear()
        if new is not None:
            self._roles[(new.metadata.namespace, new.metadata.name)] = new
        elif old is not None:
            self._roles.pop((old.metadata.namespace, old.metadata.name), None)

    def _cluster_role_changed(self, old: ClusterRole | None, new: ClusterRole | None) -> None:
        self._holders.clear()
        if new is not None:
            self._cluster_roles[new.metadata.name] = new
        elif old is not None:
            self._cluster_roles.pop(old.metadata.name, None)

    def _cluster_binding_changed(self, old: ClusterRoleBinding | None, new: ClusterRoleBinding | None) -> None:
        self._holders.clear()
        for subject in old.subjects if old is not None else ():
            self._cluster_bindings.get(_member(subject, ""), {}).pop(old.metadata.name if old else "", None)
        for subject in new.subjects if new is not None else ():
            if new is not None:
                self._cluster_bindings.setdefault(_member(subject, ""), {})[new.metadata.name] = new

    def _binding_changed(self, old: RoleBinding | None, new: RoleBinding | None) -> None:
        self._holders.clear()
        if old is not None:
            namespace = old.metadata.namespace
            for subject in old.subjects:
                self._bindings.get((namespace, _member(subject, namespace)), {}).pop(old.metadata.name, None)
        if new is not None:
            namespace = new.metadata.namespace
            for subject in new.subjects:
                self._bindings.setdefault((namespace, _member(subject, namespace)), {})[new.metadata.name] = new


def _members(user: UserInfo) -> list[Member]:
    return [("User", user.username), *(("Group", g) for g in user.groups)]


def _member(subject: Subject, namespace: str) -> Member:
    if subject.kind != "ServiceAccount":
        return (subject.kind, subject.name)
    where = subject.namespace or namespace
    return ("User", accounts.username(where, subject.name)) if where else ("", "")


def _first_subject(user: UserInfo, binding: Binding, namespace: str) -> str:
    members = set(_members(user))
    for subject in binding.subjects:
        if _member(subject, namespace) not in members:
            continue
        if subject.kind == "ServiceAccount":
            return f'ServiceAccount "{subject.name}/{subject.namespace or namespace}"'
        return f'{subject.kind} "{subject.name}"'
    return ""
