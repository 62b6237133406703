"""Store and watch cache alone, without HTTP: durable writes, lists, watch fan-out, and cost against the count.

    python -m bench.store_and_cache [--quick]

Prints a table: work, rate, CPU microseconds of this process a piece. Figures of a machine, not to be compared with
those of another; the ratios at the end are what a regression check may look at.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import pathlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import uvloop

from pilothouse.api.codec import json as codec
from pilothouse.api.selectors import parse_fields, parse_labels
from pilothouse.api.types.core.v1 import Pod
from pilothouse.apiserver.cacher.cache import WatchCache
from pilothouse.apiserver.cacher.reflector import Source
from pilothouse.apiserver.generic.storage import ObjectCodec, SelectionPredicate
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.store import Store
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore

SAMPLE = pathlib.Path(__file__).parents[1] / "tests/data/pod.json"
FORM = ObjectCodec(Pod, {"spec.nodeName": lambda p: p.spec.node_name, "status.phase": lambda p: p.status.phase})
SOURCE = Source(FORM, "/registry/pods/", namespaced=True, indexed=("spec.nodeName",))


class Table:
    """Results as they come."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        print(f"{'work':<58}{'per second':>12}{'CPU us each':>13}")

    @contextmanager
    def measure(self, work: str, count: int) -> Iterator[None]:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.cpu[work] = cpu / count * 1e6
        print(f"{work:<58}{count / wall:>12,.0f}{self.cpu[work]:>13.1f}", flush=True)


def pods(count: int, prefix: str) -> list[tuple[str, Pod, bytes]]:
    """Keys, pods and their stored bytes; no two values share memory."""
    sample = codec.decode(SAMPLE.read_bytes(), Pod)
    made = []
    for n in range(count):
        meta = msgspec.structs.replace(
            sample.metadata,
            name=f"{prefix}{n:06}",
            namespace=f"ns{n % 10}",
            resource_version="",
            labels={"app": "web", "part": str(n % 10)},
        )
        pod = msgspec.structs.replace(
            sample, metadata=meta, spec=msgspec.structs.replace(sample.spec, node_name=f"n{n % 50}")
        )
        made.append((f"/registry/pods/{meta.namespace}/{meta.name}", pod, FORM.value(pod)))
    return made


async def each(work: Callable[[int], Awaitable[object]], count: int, clients: int) -> None:
    """Call `work` with 0 to count - 1, in order, from so many clients that each wait for their answer."""
    numbers = iter(range(count))

    async def client() -> None:
        for n in numbers:
            await work(n)

    await asyncio.gather(*(client() for _ in range(clients)))


async def writes(table: Table, store: Store, name: str, count: int, scope: TaskScope) -> None:
    cache = WatchCache(store, SOURCE, SystemClock(), scope)
    await cache.start()
    made = pods(count, "w")
    items = {}

    async def create(n: int) -> None:
        key, pod, value = made[n]
        items[n] = await cache.create(key, value, pod)

    async def update(n: int) -> None:
        key, pod, value = made[n]
        items[n] = await cache.replace(key, value, items[n].revision, pod)

    async def delete(n: int) -> None:
        await cache.delete(made[n][0], items[n].revision)

    for clients in (1, 32):
        for work in (create, update, delete):
            part = count if clients > 1 else count // 8
            with table.measure(f"{name}: {work.__name__}, {clients} clients", part):
                await each(work, part, clients)


async def reads(table: Table, count: int, scope: TaskScope) -> None:
    store = MemoryStore()
    cache = WatchCache(store, SOURCE, SystemClock(), scope)
    for key, pod, value in pods(count, "r"):
        await cache.create(key, value, pod)
    gc.freeze()
    keys = [key for key, _, _ in pods(1000, "r")]
    told = f"of {count:,}"
    with table.measure(f"get {told}", 20_000):
        for n in range(20_000):
            await cache.get(keys[n % 1000])
    extra = pods(1000, "x")
    with table.measure(f"create and delete {told} (memory)", 1000):
        for key, pod, value in extra:
            await cache.delete(key, (await cache.create(key, value, pod)).revision)
    repeats = max(2, 200_000 // count)
    for name, interest in {
        "list all": SelectionPredicate(),
        "list by namespace": SelectionPredicate("ns3"),
        "list by label, 1 in 10": SelectionPredicate(labels=parse_labels("part=3")),
        "list by field, 1 in 50": SelectionPredicate(fields=parse_fields("spec.nodeName=n3")),
    }.items():
        with table.measure(f"{name} {told}", repeats):
            for _ in range(repeats):
                page = await cache.list(interest)
                b",{".join([item.tail for item in page.items])
    with table.measure(f"list limit=100 {told}", 200):
        start = ""
        for _ in range(200):
            page = await cache.list(SelectionPredicate(), limit=100, start=start)
            start = page.next_key
            b",{".join([item.tail for item in page.items])


async def fan_out(table: Table, watchers: int, idle: int, events: int, scope: TaskScope) -> None:
    """Every watcher joins the frames of its events; idle ones watch something else."""
    cache = WatchCache(MemoryStore(), SOURCE, SystemClock(), scope)
    await cache.start()
    made = pods(events, "f")
    done = 0

    async def follow() -> None:
        nonlocal done
        stream = await cache.watch(SelectionPredicate(), 1)
        seen = 0
        while seen < events:
            changes = await stream.next()
            seen += len(changes)
            b"".join([change.frame for change in changes])
        done += seen

    tasks = [asyncio.ensure_future(follow()) for _ in range(watchers)]
    others = [await cache.watch(SelectionPredicate(f"other{n}"), 1) for n in range(idle)]
    await asyncio.sleep(0)
    with table.measure(f"watch events, {watchers} watchers, {idle} of other namespaces", watchers * events):
        for n in range(0, events, 10):
            for key, pod, value in made[n : n + 10]:
                await cache.create(key, value, pod)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
    for other in others:
        other.close()


async def main(quick: bool) -> int:
    table = Table()
    scale = 1 if quick else 5
    sys.setswitchinterval(0.001)
    async with TaskScope("bench") as scope:
        with tempfile.TemporaryDirectory() as folder:
            store = await SQLiteStore.open(pathlib.Path(folder) / "store.db")
            await writes(table, store, "sqlite, durable", 4000 * scale, scope)
            await store.close()
        await writes(table, MemoryStore(), "memory", 4000 * scale, scope)
        few, many = 1000, 20_000 * scale
        for count in (few, many):
            await reads(table, count, scope)
        await fan_out(table, 50, 0, 400, scope)
        await fan_out(table, 50, 2000, 400, scope)
    ratios = {
        "get": table.cpu[f"get of {many:,}"] / table.cpu[f"get of {few:,}"],
        "create and delete": table.cpu[f"create and delete of {many:,} (memory)"]
        / table.cpu[f"create and delete of {few:,} (memory)"],
        "events with 2,000 idle watchers": table.cpu["watch events, 50 watchers, 2000 of other namespaces"]
        / table.cpu["watch events, 50 watchers, 0 of other namespaces"],
    }
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f} times the cost ({many // few} times the objects)")
    # Twice: what searching a tree of keys and missing the processor's caches cost; linear growth would show as 20.
    return 0 if all(ratio < 3.0 for ratio in ratios.values()) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    sys.exit(uvloop.run(main(parser.parse_args().quick)))
