"""Who owns whom among all objects of the cluster. Pure: told of changes, it answers whom to look at.

A node stands for an object by its uid. Owners may be unknown to the graph (not seen yet, or gone): their uid still has
dependents, and whoever looks at a dependent finds out. A uid alone does not make an owner: a reference means an object
of that kind and name, in the dependent's namespace or in none (`means`).
"""

from __future__ import annotations

from collections.abc import Iterator
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


@dataclass(slots=True)
class Observed:
    """What follows from a change: the uids to look at, and references whose owner lives in another namespace."""

    touched: set[str] = field(default_factory=set)
    misplaced: list[tuple[Node, OwnerReference]] = field(default_factory=list)


def elsewhere(dependent: Node, owner: Node) -> bool:
    """Whether an owner is in a namespace that is not the dependent's."""
    return bool(owner.namespace) and owner.namespace != dependent.namespace


def means(dependent: Node, reference: OwnerReference, owner: Node) -> bool:
    """Whether a reference of `dependent` means `owner` by all of its coordinates; the version may be another."""
    return (
        reference.uid == owner.uid
        and reference.name == owner.name
        and reference.kind == owner.resource.kind
        and reference.api_version.rpartition("/")[0] == owner.resource.group
        and not elsewhere(dependent, owner)
    )


class Graph:
    """All nodes, and dependents of owners that are not known."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._waiting: dict[str, set[str]] = {}

    def dependents(self, uid: str) -> list[Node]:
        node = self.nodes.get(uid)
        held = node.dependents if node is not None else self._waiting.get(uid, set())
        return [self.nodes[d] for d in sorted(held) if d in self.nodes]

    def owner(self, node: Node, reference: OwnerReference) -> Node | None:
        """The owner that a reference means, if the graph knows it."""
        owner = self.nodes.get(reference.uid)
        return owner if owner is not None and means(node, reference, owner) else None

    def observe(self, resource: Resource, meta: ObjectMeta) -> Observed:
        """An object is there, or changed; what follows."""
        found = Observed()
        node = self.nodes.get(meta.uid)
        if node is None:
            node = self._add(resource, meta)
            self._judge_dependents(node, found)
        was_ending = node.deleting_dependents
        node.resource = resource
        node.version = meta.resource_version
        node.deleting = meta.deletion_timestamp is not None
        if not (node.owners or node.finalizers or meta.owner_references or meta.finalizers):
            return found  # nobody owns it, and it waits for nobody that it owns
        before = {r.uid: bool(r.block_owner_deletion) for r in node.owners}
        after = {r.uid: bool(r.block_owner_deletion) for r in meta.owner_references}
        for uid in before.keys() - after.keys():
            self._dependents_of(uid).discard(meta.uid)
            self._tidy(uid)
        for uid in after.keys() - before.keys():
            self._dependents_of(uid).add(meta.uid)
        node.owners = meta.owner_references
        node.finalizers = meta.finalizers
        self._judge_owners(node, after.keys() - before.keys(), found)
        changed = {u for u in before.keys() | after.keys() if before.get(u) != after.get(u)}
        found.touched |= {u for u in changed if u in self.nodes and self.nodes[u].deleting_dependents}
        if any(u not in self.nodes or self.nodes[u].deleting_dependents for u in after):
            found.touched.add(meta.uid)
        if node.orphaning:
            found.touched.add(meta.uid)
        if node.deleting_dependents:
            found.touched.add(meta.uid)
            if not was_ending:
                found.touched |= node.dependents
        return found

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

    def _add(self, resource: Resource, meta: ObjectMeta) -> Node:
        node = Node(meta.uid, resource, meta.namespace, meta.name)
        node.dependents = self._waiting.pop(meta.uid, set())
        self.nodes[meta.uid] = node
        return node

    def _judge_dependents(self, owner: Node, found: Observed) -> None:
        """Dependents that were there before their owner may have meant another."""
        for dependent in self.dependents(owner.uid):
            for reference in _references(dependent, owner.uid):
                if means(dependent, reference, owner):
                    continue
                found.touched.add(dependent.uid)
                if elsewhere(dependent, owner):
                    found.misplaced.append((dependent, reference))
                    break

    def _judge_owners(self, node: Node, added: set[str], found: Observed) -> None:
        """New references may not mean the owners of their uids. Of several that lead elsewhere the first is told."""
        for reference in node.owners:
            owner = self.nodes.get(reference.uid) if reference.uid in added else None
            if owner is None or means(node, reference, owner):
                continue
            found.touched.add(node.uid)
            if elsewhere(node, owner):
                found.misplaced.append((node, reference))
                return

    def _dependents_of(self, uid: str) -> set[str]:
        node = self.nodes.get(uid)
        return node.dependents if node is not None else self._waiting.setdefault(uid, set())

    def _tidy(self, uid: str) -> None:
        if not self._waiting.get(uid, True):
            del self._waiting[uid]


def _references(node: Node, owner: str) -> Iterator[OwnerReference]:
    return (r for r in node.owners if r.uid == owner)
