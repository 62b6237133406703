"""What to do about one object, given what is known of its owners. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import msgspec

from pilothouse.api.types.meta.v1 import OwnerReference
from pilothouse.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node


class Owner(Enum):
    """How an owner stands."""

    SOLID = "it is there"
    GONE = "it is not there, or another of its name is"
    WAITING = "it waits for its dependents to go"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object, its dependents as `policy` says."""

    policy: str


@dataclass(frozen=True, slots=True)
class SetOwners:
    """Write these owner references, then look again if `again`."""

    owners: tuple[OwnerReference, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """Take this finalizer away."""

    name: str


@dataclass(frozen=True, slots=True)
class LookAt:
    """Look at these objects."""

    uids: Sequence[str]


Coordinates = tuple[str, str, str, str]


def coordinates(reference: OwnerReference) -> Coordinates:
    """What a reference names its owner by; several references may have one uid."""
    return reference.api_version, reference.kind, reference.name, reference.uid


Action = Delete | SetOwners | DropFinalizer | LookAt | None


def unknown_owners(graph: Graph, node: Node) -> list[OwnerReference]:
    """Owners of whom only the server can tell whether they exist."""
    return [r for r in node.owners if graph.owner(node, r) is None]


def standing(graph: Graph, node: Node, reference: OwnerReference, found: Mapping[Coordinates, Owner]) -> Owner:
    """How an owner stands; `found` is what the server told of those that the graph does not know."""
    owner = graph.owner(node, reference)
    if owner is None:
        return found[coordinates(reference)]
    return Owner.WAITING if owner.deleting_dependents else Owner.SOLID


def decide(graph: Graph, node: Node, found: Mapping[Coordinates, Owner]) -> Action:
    """The next action on `node`, which is no orphaning owner."""
    if node.deleting:
        return decide_foreground(graph, node) if node.deleting_dependents else None
    if not node.owners:
        return None
    by_standing: dict[Owner, list[OwnerReference]] = {kind: [] for kind in Owner}
    for reference in node.owners:
        by_standing[standing(graph, node, reference, found)].append(reference)
    solid, waiting = by_standing[Owner.SOLID], by_standing[Owner.WAITING]
    if solid:
        return None if len(solid) == len(node.owners) else SetOwners(tuple(solid))
    if waiting and node.dependents:
        # In a circle, whoever waits for us is waited for by us: stop blocking it.
        blocking = any(r.block_owner_deletion for r in node.owners)
        if blocking and any(d.deleting_dependents for d in graph.dependents(node.uid)):
            free = tuple(msgspec.structs.replace(r, block_owner_deletion=False) for r in node.owners)
            return SetOwners(free, again=True)
        return Delete("Foreground")
    if ORPHAN in node.finalizers:
        return Delete("Orphan")
    return Delete("Foreground" if FOREGROUND in node.finalizers else "Background")


def decide_foreground(graph: Graph, node: Node) -> Action:
    """A foreground deletion goes on when nobody blocks it any more."""
    blocking = [d for d in graph.dependents(node.uid) if d.blocks(node.uid)]
    if not blocking:
        return DropFinalizer(FOREGROUND)
    return LookAt([d.uid for d in blocking if not d.deleting])


def without(node: Node, owner: str) -> tuple[OwnerReference, ...]:
    """The node's owners but one."""
    return tuple(r for r in node.owners if r.uid != owner)
