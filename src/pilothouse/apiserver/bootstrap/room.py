"""Room for the roles that every cluster has, where the store holds something in their place that nobody can read.

Without them no controller may do anything, while the API server itself is up: what the bytes held is lost, but what
belongs there is known. Upstream's start fails there for good (its hook `rbac/bootstrap-roles`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from pilothouse.api.object import Object
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.seams.store import Store

log = logging.getLogger(__name__)
_ENCRYPTED = b"k8s:enc:"


async def make_room(store: Store, registry_of: Callable[[type[Object]], Registry], wanted: Iterable[Object]) -> None:
    """Delete what is at the places of `wanted` and cannot be read. What is encrypted stays: its key may come back.
    Raises StoreUnavailable, RevisionMismatch."""
    for obj in wanted:
        registry = registry_of(type(obj))
        key = registry.kind_store.key(obj.metadata.namespace, obj.metadata.name)
        found = registry.cache.unreadable.get(key)
        if found is None:
            continue
        stored = await store.get(key)
        if stored is not None and stored.value.startswith(_ENCRYPTED):
            continue
        log.error("what cannot be read is written anew: %s", found.why, extra={"key": key})
        await registry.cache.unreadable.discard(key)
