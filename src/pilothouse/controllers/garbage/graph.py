"""Who owns whom among all objects of the cluster. Pure: told of changes, it answers whom to look at.

A node stands for an object by its uid. Owners may be unknown to the graph (not seen yet, or gone): their uid still has
dependents, and whoever looks at a dependent finds out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pilothouse.api.facts import Resource
from pilothouse.api.types.meta.v1 import ObjectMeta, OwnerReference

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


@dataclass(slots=True, eq=False)
class Node:
    """What the collector needs to know of an object."""

    uid: str
    resource: Resource
    namespace: str
    name: str
    version: str = ""
    owners: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    dependents: set[str] = field(default_factory=set)

    @property
    def deleting_dependents(self) -> bool:
        """It waits for what it owns to go first."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphaning(self) -> bool:
        """It waits for what it owns to be let go."""
        return self.deleting and ORPHAN in self.finalizers

    def blocks(self, owner: str) -> bool:
        """Whether it keeps an owner that deletes in the foreground from going."""
        return any(r.uid == owner and r.block_owner_deletion for r in self.owners)


class Graph:
    """All nodes, and dependents of owners that are not known."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._waiting: dict[str, set[str]] = {}

    def dependents(self, uid: str) -> list[Node]:
        node = self.nodes.get(uid)
        held = node.dependents if node is not None else self._waiting.get(uid, set())
        return [self.nodes[d] for d in sorted(held) if d in self.nodes]

    def observe(self, resource: Resource, meta: ObjectMeta) -> set[str]:
        """An object is there, or changed; the uids to look at because of that."""
        node = self.nodes.get(meta.uid)
        touched: set[str] = set()
        if node is None:
            node = Node(meta.uid, resource, meta.namespace, meta.name)
            node.dependents = self._waiting.pop(meta.uid, set())
            self.nodes[meta.uid] = node
        before = {r.uid: bool(r.block_owner_deletion) for r in node.owners}
        after = {r.uid: bool(r.block_owner_deletion) for r in meta.owner_references}
        for uid in before.keys() - after.keys():
            self._dependents_of(uid).discard(meta.uid)
            self._tidy(uid)
        for uid in after.keys() - before.keys():
            self._dependents_of(uid).add(meta.uid)
        was_ending = node.deleting_dependents
        node.version = meta.resource_version
        node.owners = meta.owner_references
        node.finalizers = meta.finalizers
        node.deleting = meta.deletion_timestamp is not None
        changed = {u for u in before.keys() | after.keys() if before.get(u) != after.get(u)}
        touched |= {u for u in changed if u in self.nodes and self.nodes[u].deleting_dependents}
        if any(u not in self.nodes or self.nodes[u].deleting_dependents for u in after):
            touched.add(meta.uid)
        if node.orphaning:
            touched.add(meta.uid)
        if node.deleting_dependents:
            touched.add(meta.uid)
            if not was_ending:
                touched |= node.dependents
        return touched

    def remove(self, uid: str) -> set[str]:
        """An object is gone; the uids to look at because of that."""
        node = self.nodes.pop(uid, None)
        if node is None:
            return set()
        touched = set(node.dependents)
        if node.dependents:
            self._waiting[uid] = node.dependents
        for reference in node.owners:
            self._dependents_of(reference.uid).discard(uid)
            self._tidy(reference.uid)
            owner = self.nodes.get(reference.uid)
            if owner is not None and owner.deleting_dependents:
                touched.add(reference.uid)
        return touched

    def _dependents_of(self, uid: str) -> set[str]:
        node = self.nodes.get(uid)
        return node.dependents if node is not None else self._waiting.setdefault(uid, set())

    def _tidy(self, uid: str) -> None:
        if not self._waiting.get(uid, True):
            del self._waiting[uid]
