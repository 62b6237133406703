"""The rules of ownership: what an update or an apply takes, leaves and gives up. Pure.

Sets are compared in the version they were written in; a tree is converted there when that is not the request's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilothouse.apiserver.apply.compare import Comparison, compare, everything, fields_of, named_members
from pilothouse.apiserver.apply.fieldset import (
    SELF,
    FieldSet,
    difference,
    intersection,
    paths,
    union,
    without_trees,
)
from pilothouse.apiserver.apply.managers import APPLY, NEVER_OWNED, Managed, Manager, Owned
from pilothouse.apiserver.apply.merge import merge, remove
from pilothouse.apiserver.apply.schema import TypeNode

Tree = dict[str, Any]


class MissingVersionError(LookupError):
    """A version that the kind does not have (any more)."""


class ConflictError(Exception):
    """Fields that an apply would change and others own."""

    def __init__(self, conflicts: Managed) -> None:
        super().__init__("conflicts")
        self.conflicts = conflicts


def only_one_version(tree: Tree, source: str, target: str) -> Tree:
    """The conversion of kinds that have a single version."""
    if source == target:
        return tree
    raise MissingVersionError(target)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as seen by one endpoint: its type in each version, what the endpoint ignores (and resets) in each, and
    how trees are converted: (tree, from version, to version), raising MissingVersionError."""

    types: Mapping[str, TypeNode]
    ignored: Mapping[str, FieldSet] = field(default_factory=dict)
    convert: Callable[[Tree, str, str], Tree] = only_one_version

    def type_of(self, version: str) -> TypeNode:
        if version not in self.types:
            raise MissingVersionError(version)
        return self.types[version]


def update(kind: Kind, live: Tree, new: Tree, version: str, managed: Managed, manager: Manager) -> None:
    """`manager` owns what it changed; who owned it before does not any more. Changes `managed`."""
    comparison = _settle(kind, live, new, version, managed, manager, True)
    held = managed.get(manager)
    fields = union(union(held.fields if held is not None else None, comparison.modified), comparison.added)
    fields = difference(fields, comparison.removed)
    fields = without_trees(fields, kind.ignored.get(version))
    if fields is None:
        managed.pop(manager, None)
    else:
        managed[manager] = Owned(fields, version, held.time if held is not None else None)


def apply(
    kind: Kind, live: Tree, config: Tree, version: str, managed: Managed, manager: Manager, force: bool
) -> Tree | None:
    """The live tree with the configuration merged in and without what the manager gave up; None if that changes
    nothing. Changes `managed`. Raises ConflictError."""
    node = kind.type_of(version)
    new = merge(node, live, config)
    last = managed.get(manager)
    fields = without_trees(fields_of(node, config), kind.ignored.get(version))
    managed[manager] = Owned(fields, version, last.time if last is not None else None)
    if last is not None and last.fields is not None:
        new = _prune(kind, new, managed, manager, last)
    _settle(kind, live, new, version, managed, manager, force)
    return None if live == new else new


def _settle(
    kind: Kind, live: Tree, new: Tree, version: str, managed: Managed, manager: Manager, force: bool
) -> Comparison:
    """Take from the other managers what has been changed or removed. Raises ConflictError unless `force`."""
    own = compare(kind.type_of(version), live, new).without(kind.ignored.get(version))
    versions: dict[str, Comparison | None] = {version: own}
    conflicts: Managed = {}
    lost: dict[Manager, FieldSet] = {}
    for other, owned in list(managed.items()):
        if other == manager:
            continue
        if owned.api_version not in versions:
            versions[owned.api_version] = _compared(kind, live, new, version, owned.api_version)
        comparison = versions[owned.api_version]
        if comparison is None:
            del managed[other]
            continue
        conflict = intersection(owned.fields, comparison.changed)
        if conflict is not None:
            conflicts[other] = Owned(conflict, owned.api_version)
        lost[other] = union(conflict, comparison.removed)
    if conflicts and not force:
        raise ConflictError(conflicts)
    for other, gone in lost.items():
        owned = managed[other]
        kept = difference(owned.fields, gone)
        if kept is not owned.fields:
            managed[other] = Owned(kept, owned.api_version, owned.time)
    for other in [key for key, owned in managed.items() if owned.fields is None and key != manager]:
        del managed[other]
    if manager in managed and managed[manager].fields is None:
        del managed[manager]
    return own


def _compared(kind: Kind, live: Tree, new: Tree, version: str, target: str) -> Comparison | None:
    """The comparison in another version; None if there is no such version."""
    try:
        node = kind.type_of(target)
        before, after = kind.convert(live, version, target), kind.convert(new, version, target)
    except MissingVersionError:
        return None
    return compare(node, before, after).without(kind.ignored.get(target))


def _prune(kind: Kind, merged: Tree, managed: Managed, manager: Manager, last: Owned) -> Tree:
    """Remove what the manager applied last time, not this time, and nobody else owns."""
    version, wanted = last.api_version, managed[manager].api_version
    if version == wanted:
        if last.fields == difference(managed[manager].fields, NEVER_OWNED):
            return merged
        everyone: FieldSet = None
        for owned in managed.values():
            if owned.api_version == version:
                everyone = union(everyone, owned.fields)
        if difference(last.fields, everyone) is None:
            return merged
    try:
        node, tree = kind.type_of(version), kind.convert(merged, wanted, version)
    except MissingVersionError:
        return merged
    pruned = remove(node, tree, named_members(node, last.fields)) or {}
    pruned = _add_back_owned(kind, tree, pruned, version, managed)
    left = named_members(node, fields_of(node, pruned))
    gone = difference(named_members(node, fields_of(node, tree)), left)
    result = remove(node, tree, intersection(gone, named_members(node, last.fields))) or {}
    return kind.convert(result, version, wanted)


def _add_back_owned(kind: Kind, merged: Tree, pruned: Tree, version: str, managed: Managed) -> Tree:
    """What the pruning took and any manager owns, in whatever version."""
    by_version: dict[str, FieldSet] = {version: None}
    for owned in managed.values():
        by_version[owned.api_version] = union(by_version.get(owned.api_version), owned.fields)
    for target, fields in by_version.items():
        if fields is None:
            continue
        try:
            node = kind.type_of(target)
            before, after = kind.convert(merged, version, target), kind.convert(pruned, version, target)
        except MissingVersionError:
            continue
        left = named_members(node, fields_of(node, after))
        kept = union(left, named_members(node, fields))
        found = remove(node, before, difference(named_members(node, fields_of(node, before)), kept)) or {}
        pruned = kind.convert(found, target, version)
    return pruned


def conflict_paths(owned: Owned) -> list[str]:
    return list(paths(owned.fields))


__all__ = [
    "APPLY",
    "SELF",
    "ConflictError",
    "Kind",
    "MissingVersionError",
    "apply",
    "conflict_paths",
    "everything",
    "update",
]
