"""Nobody gives away more than they have: rules of roles, and roles that bindings refer to, are checked against the
rights of the one who writes them. Upstream does this in the storage of these kinds; the moment is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from pilothouse.api import errors
from pilothouse.api.types.rbac.v1 import ClusterRole, PolicyRule
from pilothouse.apiserver.admission.interface import Attributes, Operation
from pilothouse.apiserver.authz.access import joined
from pilothouse.apiserver.authz.interface import Authorizer
from pilothouse.apiserver.authz.rbac import RBAC
from pilothouse.apiserver.authz.union import MASTERS
from pilothouse.apiserver.request.access import Access
from pilothouse.kit.aside import LARGE, aside
from pilothouse.semantics.rbac import GROUP, compact, comparisons, describe, missing, weight

_ALL = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)
_RULE = 64
"""Bytes of a body that cost as much as a rule."""
_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")


class EscalationCheck:
    """Refuses writes of roles and bindings that would grant what their writer does not hold."""

    name = "RBACEscalation"

    def __init__(self, authorizer: Authorizer, rbac: RBAC) -> None:
        self._authorizer = authorizer
        self._rbac = rbac

    def handles(self, operation: Operation, group: str, resource: str, subresource: str) -> bool:
        return group == GROUP and resource in _ROLES + _BINDINGS and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        """Raises StatusError 403, or 404 for a binding to a role that is not there."""
        a = attributes
        if MASTERS in a.user.groups or (a.old_obj is not None and _only_collectors_fields(a.obj, a.old_obj)):
            return
        if a.resource in _ROLES:
            await self._check_role(a)
        else:
            await self._check_binding(a)

    async def _check_role(self, a: Attributes) -> None:
        # What is created by POST has no name in its path, so a right to escalate one role by name does not hold for it.
        name = a.name if a.operation == "UPDATE" or a.old_obj is not None or _named_in_path(a) else ""
        if self._authorizer.authorize(_access(a, "escalate", a.resource, name)).allowed:
            return
        await self._confirm(a, a.obj.rules or ())
        if a.resource == "clusterroles" and _aggregates(a) and (await self._lacking(a, _ALL))[0]:
            raise _forbidden(a, "must have cluster-admin privileges to use the aggregationRule")

    async def _check_binding(self, a: Attributes) -> None:
        ref = a.obj.role_ref
        if self._authorizer.authorize(_access(a, "bind", f"{ref.kind.lower()}s", ref.name)).allowed:
            return
        rules = self._rbac.role_rules(ref.kind, ref.name, a.namespace)
        if rules is None:
            raise errors.not_found(GROUP, a.resource, ref.name)
        await self._confirm(a, rules)

    async def _confirm(self, a: Attributes, rules: Sequence[PolicyRule]) -> None:
        lacking, unresolved = await self._lacking(a, rules)
        if not lacking:
            return
        told = await aside(
            _RULE * len(lacking), lambda: "\n".join(sorted({describe(rule) for rule in compact(lacking)}))
        )
        groups = " ".join(f'"{g}"' for g in a.user.groups)
        text = (
            f'user "{a.user.username}" (groups=[{groups}]) is attempting to grant RBAC permissions '
            f"not currently held:\n{told}"
        )
        if unresolved:
            text += f"; resolution errors: [{joined(unresolved)}]"
        raise _forbidden(a, text)

    async def _lacking(self, a: Attributes, rules: Sequence[PolicyRule]) -> tuple[list[PolicyRule], list[str]]:
        held, unresolved = self._rbac.policy_rules(a.user, a.namespace)
        size = _RULE * len(rules)
        if size < LARGE:
            each = weight(held)
            size = sum(comparisons(each, rule) for rule in rules)
        return await aside(size, lambda: missing(held, rules)), unresolved


def _named_in_path(a: Attributes) -> bool:
    # PUT of something absent is a create whose options are those of an update.
    return a.operation == "CREATE" and type(a.options).__name__ in ("UpdateOptions", "PatchOptions")


def _access(a: Attributes, verb: str, resource: str, name: str) -> Access:
    return Access(a.user, verb, group=GROUP, version="v1", resource=resource, namespace=a.namespace, name=name)


def _aggregates(a: Attributes) -> bool:
    roles: list[ClusterRole] = [r for r in (a.obj, a.old_obj) if r is not None]
    return any(r.aggregation_rule is not None for r in roles)


def _only_collectors_fields(new: Any, old: Any) -> bool:
    # The garbage collector must be able to finish a deletion whatever the object grants.
    metadata = replace(
        new.metadata,
        finalizers=old.metadata.finalizers,
        owner_references=old.metadata.owner_references,
        managed_fields=old.metadata.managed_fields,
        resource_version=old.metadata.resource_version,
        generation=old.metadata.generation,
    )
    return bool(replace(new, metadata=metadata) == old)


def _forbidden(a: Attributes, why: str) -> errors.StatusError:
    return errors.forbidden(GROUP, a.resource, a.obj.metadata.name, why)
