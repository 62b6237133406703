"""Which objects a controller owns: those that name it as their controller, those it adopts, those it lets go.

An object is adopted when it has no controller and the selector wants it, and released when it is ours but the selector
no longer wants it. Owners and objects that are being deleted change nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pilothouse.api.errors import StatusError
from pilothouse.api.object import Object
from pilothouse.api.selectors import LabelSelector
from pilothouse.machinery.client.interface import Client, StrategicMergePatch
from pilothouse.machinery.informer import Informer
from pilothouse.semantics.ownership import controller_of, controller_reference

K = TypeVar("K", bound=Object)
INDEX = "controller"
NOT_FOUND, INVALID = 404, 422


@dataclass(frozen=True, slots=True)
class Claims(Generic[K]):
    """What a look at the candidates found."""

    owned: Sequence[K]
    adopt: Sequence[K]
    release: Sequence[K]


def decide(
    owner: Object, selector: LabelSelector, candidates: Iterable[K], *, wanted: Callable[[K], bool] | None = None
) -> Claims[K]:
    """Sort the candidates; those that `wanted` refuses are left alone."""
    owned: list[K] = []
    adopt: list[K] = []
    release: list[K] = []
    ending = owner.metadata.deletion_timestamp is not None
    for obj in candidates:
        reference = controller_of(obj.metadata)
        if reference is not None and reference.uid != owner.metadata.uid:
            continue
        if wanted is not None and not wanted(obj):
            continue
        matches = selector.matches(obj.metadata.labels)
        if reference is not None:
            if matches:
                owned.append(obj)
            elif not ending:
                release.append(obj)
        elif matches and not ending and obj.metadata.deletion_timestamp is None:
            adopt.append(obj)
    return Claims(owned, adopt, release)


def index(obj: Object) -> tuple[str, ...]:
    """Index by controller: its uid, or the namespace of those without."""
    reference = controller_of(obj.metadata)
    return (reference.uid if reference is not None else f"orphans/{obj.metadata.namespace}",)


def candidates(informer: Informer[K], owner: Object) -> Sequence[K]:
    """Objects that `owner` has, or might adopt. The informer needs the index INDEX by `index`."""
    own = informer.by_index(INDEX, owner.metadata.uid)
    orphans = informer.by_index(INDEX, f"orphans/{owner.metadata.namespace}")
    return [*own, *orphans] if orphans else own


async def claim(
    client: Client,
    owner: Any,
    selector: LabelSelector,
    informer: Informer[K],
    *,
    wanted: Callable[[K], bool] | None = None,
    adopt_finalizers: Sequence[str] = (),
) -> list[K]:
    """The objects that `owner` has after adopting and releasing. Before it adopts, it looks whether it still exists
    (cache and server may differ when an owner was deleted and made anew)."""
    claims = decide(owner, selector, candidates(informer, owner), wanted=wanted)
    found = list(claims.owned)
    if claims.adopt and await _alive(client, owner):
        for obj in claims.adopt:
            adopted = await _adopt(client, owner, obj, adopt_finalizers)
            if adopted is not None:
                found.append(adopted)
    for obj in claims.release:
        await _release(client, owner, obj)
    return found


async def _alive(client: Client, owner: Any) -> bool:
    try:
        fresh = await client.get(type(owner), owner.metadata.name, owner.metadata.namespace)
    except StatusError as error:
        if error.code == NOT_FOUND:
            return False
        raise
    return bool(fresh.metadata.uid == owner.metadata.uid and fresh.metadata.deletion_timestamp is None)


async def _adopt(client: Client, owner: Object, obj: K, finalizers: Sequence[str]) -> K | None:
    reference = controller_reference(owner)
    metadata: dict[str, Any] = {
        "uid": obj.metadata.uid,
        "ownerReferences": [
            {
                "apiVersion": reference.api_version,
                "kind": reference.kind,
                "name": reference.name,
                "uid": reference.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    return await _patch(client, obj, metadata)


async def _release(client: Client, owner: Object, obj: K) -> K | None:
    reference = {"$patch": "delete", "uid": owner.metadata.uid}
    return await _patch(client, obj, {"uid": obj.metadata.uid, "ownerReferences": [reference]})


async def _patch(client: Client, obj: K, metadata: dict[str, Any]) -> K | None:
    meta = obj.metadata
    try:
        return await client.patch(type(obj), meta.name, meta.namespace, StrategicMergePatch({"metadata": metadata}))
    except StatusError as error:
        # Gone, or gone and made anew with another uid: no longer ours to care for.
        if error.code in (NOT_FOUND, INVALID):
            return None
        raise
