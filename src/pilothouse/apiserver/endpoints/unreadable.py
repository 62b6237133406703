"""Objects in the store that cannot be read: lists leave them out and say so, and DELETE can take them away.

Upstream fails a list that meets one, and deletes it under the gate AllowUnsafeMalformedObjectDeletion. Here one object
must not stop those who list the others; the option of that gate is obeyed for objects that cannot be read, and means
nothing to others, as where the gate is off.
"""

from __future__ import annotations

from pilothouse.api import errors
from pilothouse.api.facts import Resource
from pilothouse.api.types.meta.v1 import DeleteOptions
from pilothouse.apiserver.generic.deleting import check_discard
from pilothouse.apiserver.generic.kind_store import unavailable
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.request.access import Access
from pilothouse.apiserver.request.context import Context
from pilothouse.seams.store import RevisionMismatch, StoreUnavailable

OPTION = "ignoreStoreReadErrorWithClusterBreakingPotential"
VERB = "unsafe-delete-ignore-read-errors"
# They are named to who lists, up to so many.
_NAMED = 5


def warn(context: Context, registry: Registry) -> None:
    """Tell who lists of what is left out."""
    if names := _named(registry, context.info.scope):
        context.warn(f"objects in the store that cannot be read are left out: {names}")


def check_emptied(registry: Registry, namespace: str) -> None:
    """Raises StatusError (500) where the deletion of a collection leaves what nobody can read: whether that was meant
    too cannot be known, and whoever empties a namespace must not take it for empty."""
    if names := _named(registry, namespace):
        told = (
            f"objects in the store that cannot be read are not deleted: {names}; each can be, with the option {OPTION}"
        )
        raise errors.internal(told)


def _named(registry: Registry, namespace: str) -> str:
    left_out = registry.cache.unreadable.list(namespace)
    names = ", ".join(found.key.removeprefix(registry.prefix) for found in left_out[:_NAMED])
    return f"{names} and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else names


async def discard(context: Context, registry: Registry, resource: Resource, options: DeleteOptions) -> bool:
    """Delete the object that a DELETE with the option is about, with no regard to hooks, finalizers and preconditions,
    if it cannot be read; False if it can, or is not there. Raises StatusError (403, 422)."""
    info = context.info
    key = registry.kind_store.key(info.scope, info.name)
    if not options.ignore_store_read_error_with_cluster_breaking_potential or not registry.cache.unreadable.get(key):
        return False
    check_discard(options)
    r = resource
    context.authorize(Access(context.user, VERB, r.group, r.version, r.resource, "", info.scope, info.name))
    try:
        return await registry.cache.unreadable.discard(key)
    except RevisionMismatch:
        return False
    except StoreUnavailable as error:
        raise unavailable(error) from None
