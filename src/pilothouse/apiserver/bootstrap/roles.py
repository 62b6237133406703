"""Keeps the bootstrap roles and bindings at least as generous as this version wants them; runs at every start.

What an administrator added stays. A role or binding whose annotation `rbac.authorization.kubernetes.io/autoupdate`
is "false" is left alone.
"""

from __future__ import annotations

from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from pilothouse.api.errors import StatusError
from pilothouse.api.types.rbac.v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding
from pilothouse.apiserver.authz.bootstrap_policy import objects
from pilothouse.apiserver.bootstrap.objects import together
from pilothouse.apiserver.reader import Reader
from pilothouse.machinery.client import Client
from pilothouse.semantics.rbac import aggregate, missing

R = TypeVar("R", Role, ClusterRole)
B = TypeVar("B", RoleBinding, ClusterRoleBinding)


def wanted_role(stored: R, wanted: R) -> R | None:
    """`stored` with what `wanted` has and it lacks; None if it lacks nothing or wants to be left alone."""
    if stored.metadata.annotations.get(objects.AUTOUPDATE) == "false":
        return None
    rules = _with_missing(stored.rules, wanted.rules)
    labels = {**wanted.metadata.labels, **stored.metadata.labels}
    annotations = {**wanted.metadata.annotations, **stored.metadata.annotations}
    metadata = stored.metadata
    if labels == metadata.labels and annotations == metadata.annotations and rules == stored.rules:
        return None
    return replace(stored, rules=rules, metadata=replace(metadata, labels=labels, annotations=annotations))


def _with_missing(
    held: tuple[PolicyRule, ...] | None, wanted: tuple[PolicyRule, ...] | None
) -> tuple[PolicyRule, ...] | None:
    lacking = missing(held or (), wanted or ())
    return (*(held or ()), *lacking) if lacking else held


def wanted_binding(stored: B, wanted: B) -> B | None:
    """The same for a binding's subjects. A binding to another role is left as it is."""
    if stored.metadata.annotations.get(objects.AUTOUPDATE) == "false" or stored.role_ref != wanted.role_ref:
        return None
    missed = tuple(subject for subject in wanted.subjects if subject not in stored.subjects)
    return replace(stored, subjects=stored.subjects + missed) if missed else None


async def reconcile(client: Client, reader: Reader) -> None:
    """Write what is missing, all at once: the store then needs few commits. Failures come as an ExceptionGroup of
    StatusErrors, after all others were written."""
    writes = []
    for cluster_role in _aggregated(objects.cluster_roles()):
        found = reader.get(ClusterRole, cluster_role.metadata.name)
        writes.append(partial(_write, client, cluster_role, found, wanted_role(found, cluster_role) if found else None))
    for cluster_binding in objects.cluster_role_bindings():
        bound = reader.get(ClusterRoleBinding, cluster_binding.metadata.name)
        changed = wanted_binding(bound, cluster_binding) if bound else None
        writes.append(partial(_write, client, cluster_binding, bound, changed))
    for role in objects.roles():
        held = reader.get(Role, role.metadata.name, role.metadata.namespace)
        writes.append(partial(_write, client, role, held, wanted_role(held, role) if held else None))
    for binding in objects.role_bindings():
        kept = reader.get(RoleBinding, binding.metadata.name, binding.metadata.namespace)
        writes.append(partial(_write, client, binding, kept, wanted_binding(kept, binding) if kept else None))
    await together(writes)


def _aggregated(roles: list[ClusterRole]) -> list[ClusterRole]:
    # Aggregated roles get their rules at once, so that `view` works before any controller has run. They build on each
    # other (view is part of edit, edit of admin), so it takes as many rounds as there are.
    for _ in [r for r in roles if r.aggregation_rule]:
        roles = [replace(r, rules=aggregate(r, roles)) if r.aggregation_rule else r for r in roles]
    return roles


async def _write(client: Client, wanted: object, stored: object | None, changed: object | None) -> None:
    try:
        if stored is None:
            await client.create(wanted)  # type: ignore[type-var]
        elif changed is not None:
            await client.update(changed)  # type: ignore[type-var]
    except StatusError as error:
        # Another API server of this cluster was quicker: what it wrote is what we want.
        if error.reason not in ("AlreadyExists", "Conflict"):
            raise
