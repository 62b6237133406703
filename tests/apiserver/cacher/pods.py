"""Short ways to write and read pods through a cache."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pilothouse.api.selectors import parse_fields, parse_labels
from pilothouse.api.types.core.v1 import Pod, PodSpec, PodStatus
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.generic.storage import CachedObject, CacheEvent, ChangeStream, ObjectCodec, SelectionPredicate

FORM = ObjectCodec(Pod)


def key(path: str) -> str:
    return f"/registry/pods/{path}"


def pod(path: str, labels: str = "", node: str = "", phase: str = "") -> Pod:
    """`path` is namespace/name, `labels` a=b,c=d."""
    namespace, _, name = path.partition("/")
    pairs = dict(pair.split("=") for pair in labels.split(",") if pair)
    return Pod(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=pairs),
        spec=PodSpec(node_name=node),
        status=PodStatus(phase=phase),
    )


async def create(cache: WatchCache, path: str, **more: str) -> CachedObject:
    made = pod(path, **more)
    return await cache.create(key(path), FORM.value(made), made)


async def change(cache: WatchCache, path: str, **more: str) -> CachedObject:
    made = pod(path, **more)
    current = await cache.get(key(path))
    assert current is not None
    return await cache.replace(key(path), FORM.value(made), current.revision, made)


async def delete(cache: WatchCache, path: str) -> CachedObject:
    current = await cache.get(key(path))
    assert current is not None
    return await cache.delete(key(path), current.revision)


def interest(namespace: str = "", name: str = "", labels: str = "", fields: str = "") -> SelectionPredicate:
    return SelectionPredicate(
        namespace, name, parse_labels(labels) if labels else None, parse_fields(fields) if fields else None
    )


def paths(items: Iterable[CachedObject]) -> list[str]:
    return [item.key.removeprefix("/registry/pods/") for item in items]


def told(changes: Iterable[CacheEvent]) -> list[tuple[str, str]]:
    """(type, namespace/name) of each change, a bookmark without a name."""
    return [(c.type, "" if c.item is None else c.item.key.removeprefix("/registry/pods/")) for c in changes]


async def taken(stream: ChangeStream) -> list[CacheEvent]:
    """What is waiting now: all of it, in however many parts it comes."""
    found: list[CacheEvent] = []
    try:
        while True:
            async with asyncio.timeout(0.001):
                found += await stream.next()
    except TimeoutError:
        return found
