"""Which flow schema a request falls under: the first, by precedence and name, that has a rule for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.flowcontrol.v1 import (
    FlowSchema,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    ResourcePolicyRule,
    Subject,
)
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.texts import short
from pilothouse.semantics import serviceaccounts as accounts

_REMEMBERED = 8192


class Flow(NamedTuple):
    """Where a request belongs: its schema, the schema's priority level, and what tells its flow from others."""

    schema: FlowSchema
    level: str
    distinguisher: str


class Classifier:
    """Classifies by a fixed set of schemas and remembers what it found."""

    def __init__(self, schemas: Iterable[FlowSchema]) -> None:
        self._schemas = sorted(schemas, key=lambda s: (s.spec.matching_precedence, s.metadata.name))
        self._known: dict[tuple[object, ...], FlowSchema | None] = {}

    def classify(self, access: Access) -> Flow | None:
        """The flow of a request; None if no schema matches it."""
        user = access.user
        what = (access.verb, access.group, access.resource, access.subresource)
        where = (access.namespace, access.path if not access.resource else "")
        key = (user.username, user.groups, what, where)
        schema = self._known.get(key)
        if schema is None:
            schema = next((s for s in self._schemas if _matches(s, access)), None)
            if short((user.username, *user.groups, *what, *where)):
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = schema
        if schema is None:
            return None
        return Flow(schema, schema.spec.priority_level_configuration.name, _distinguisher(schema, access))


def _distinguisher(schema: FlowSchema, access: Access) -> str:
    method = schema.spec.distinguisher_method
    if method is None:
        return ""
    return access.user.username if method.type == "ByUser" else access.namespace


def _matches(schema: FlowSchema, access: Access) -> bool:
    return any(
        _matches_rule(rules, access) and any(_is_subject(s, access.user) for s in rules.subjects or ())
        for rules in schema.spec.rules
    )


def _matches_rule(rules: PolicyRulesWithSubjects, access: Access) -> bool:
    if access.resource:
        return any(_matches_resource(rule, access) for rule in rules.resource_rules)
    return any(_matches_path(rule, access) for rule in rules.non_resource_rules)


def _is_subject(subject: Subject, user: UserInfo) -> bool:
    if subject.kind == "User" and subject.user is not None:
        return subject.user.name in ("*", user.username)
    if subject.kind == "Group" and subject.group is not None:
        return subject.group.name == "*" or subject.group.name in user.groups
    if subject.kind == "ServiceAccount" and subject.service_account is not None:
        wanted = subject.service_account
        account = accounts.split(user.username)
        return account is not None and account[0] == wanted.namespace and wanted.name in ("*", account[1])
    return False


def _has(values: Sequence[str] | None, value: str) -> bool:
    return values is not None and (value in values or "*" in values)


def _matches_resource(rule: ResourcePolicyRule, access: Access) -> bool:
    resource = f"{access.resource}/{access.subresource}" if access.subresource else access.resource
    if not (_has(rule.verbs, access.verb) and _has(rule.api_groups, access.group) and _has(rule.resources, resource)):
        return False
    return _has(rule.namespaces, access.namespace) if access.namespace else rule.cluster_scope


def _matches_path(rule: NonResourcePolicyRule, access: Access) -> bool:
    if not _has(rule.verbs, access.verb):
        return False
    urls = rule.non_resource_urls or ()
    return any(u in ("*", access.path) or (u.endswith("/*") and access.path.startswith(u[:-1])) for u in urls)
