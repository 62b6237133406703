"""kill -9 at random under eight writers, over HTTPS, against the whole control plane: no acknowledged write is lost or
doubled, revisions only grow, and watches that resume where they were see every event once, in order."""

from __future__ import annotations

import asyncio
import itertools
import random
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from pilothouse.kit.clock import SystemClock
from tests.torture.client import Client, Lost
from tests.torture.cluster import ControlPlane, control_plane

WRITERS, WATCHERS = 8, 3
BASE = "/api/v1/namespaces/writers/configmaps"
PATIENCE = 60.0
CLOCK = SystemClock()


@dataclass
class Told:
    """What writers know: the state that was acknowledged, what each had begun when it lost its server, and each value
    that was ever acknowledged, with its revision."""

    state: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name to (value, revision)."""
    begun: dict[str, str | None] = field(default_factory=dict)
    """Name to the value that may be there, None for one that may be gone."""
    values: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    newest: int = 0
    """The newest revision that anybody has seen."""
    writes: int = 0


def half_of(name: str) -> str:
    return str(zlib.crc32(name.encode()) % 2)


def body(name: str, value: str, revision: int = 0) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"half": half_of(name)}}
    return {"metadata": metadata | ({"resourceVersion": str(revision)} if revision else {}), "data": {"value": value}}


class Writer:
    """Creates, replaces and deletes objects of its own, each value only once."""

    numbers = itertools.count()

    def __init__(self, plane: ControlPlane, told: Told, number: int, chance: random.Random) -> None:
        self._client = Client(plane.port, plane.context())
        self._told, self._number, self._chance = told, number, chance

    async def work(self) -> None:
        """Until the server is gone."""
        try:
            while True:
                await self._write()
        except Lost:
            self._client.close()

    async def _write(self) -> None:
        told, chance = self._told, self._chance
        mine = [name for name in told.state if name.startswith(f"w{self._number}-")]
        value = f"{next(self.numbers)} " + "x" * chance.randrange(2000)
        if not mine or chance.random() < 0.4:
            name = f"w{self._number}-{next(self.numbers)}"
            await self._put("POST", BASE, name, value, 201)
        elif chance.random() < 0.7:
            name = chance.choice(mine)
            await self._put("PUT", f"{BASE}/{name}", name, value, 200, told.state[name][1])
        else:
            name = chance.choice(mine)
            told.begun[name] = None
            status, _, answer = await self._client.send("DELETE", f"{BASE}/{name}")
            assert status == 200, answer
            del told.begun[name], told.state[name]
            told.deleted.add(name)
            told.writes += 1

    async def _put(self, verb: str, path: str, name: str, value: str, code: int, revision: int = 0) -> None:
        told = self._told
        told.begun[name] = value
        status, _, answer = await self._client.send(verb, path, body(name, value, revision))
        assert status == code, answer
        del told.begun[name]
        got = int(answer["metadata"]["resourceVersion"])
        assert got > revision
        assert got > told.newest or got not in told.values.values()
        told.state[name], told.values[value] = (value, got), got
        told.newest = max(told.newest, got)
        told.writes += 1


class Watcher:
    """Watches from where it was, whenever there is a server."""

    def __init__(self, plane: ControlPlane, start: int, selector: str = "") -> None:
        self._client = Client(plane.port, plane.context())
        self._selector = selector
        self.revision = start
        self.events: list[tuple[str, str, str, int]] = []
        """(type, name, value, revision)."""
        self.moved = asyncio.Event()

    async def run(self) -> None:
        while True:
            path = f"{BASE}?watch=1&allowWatchBookmarks=true&resourceVersion={self.revision}{self._selector}"
            try:
                async for event in self._client.watch(path):
                    self._take(event)
            except Lost:
                await CLOCK.sleep(0.02)

    def _take(self, event: dict[str, Any]) -> None:
        assert event["type"] != "ERROR", event
        revision = int(event["object"]["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            assert revision > self.revision, f"{revision} came after {self.revision}"
            name = event["object"]["metadata"]["name"]
            self.events.append((event["type"], name, event["object"]["data"]["value"], revision))
        self.revision = max(self.revision, revision)
        self.moved.set()

    async def reached(self, revision: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.revision < revision:
                self.moved.clear()
                await self.moved.wait()


async def settle(client: Client, told: Told) -> int:
    """Compare what is there with what was told; what was begun may have happened. The revision of the list."""
    status, _, found = await client.send("GET", f"{BASE}?labelSelector=half")
    assert status == 200
    revision = int(found["metadata"]["resourceVersion"])
    assert revision >= told.newest, "revisions went back"
    there = {
        item["metadata"]["name"]: (item["data"]["value"], int(item["metadata"]["resourceVersion"]))
        for item in found["items"]
    }
    for name in told.state.keys() | there.keys():
        if there.get(name) == told.state.get(name):
            continue
        assert name in told.begun, f"{name} is {there.get(name)}, not {told.state.get(name)}"
        assert there.get(name, (None,))[0] == told.begun[name]
        if name in there:
            told.values[there[name][0]] = there[name][1]
        else:
            told.deleted.add(name)
    told.state, told.newest = there, revision
    told.begun.clear()
    return revision


def judge(events: list[tuple[str, str, str, int]], told: Told, half: str = "") -> None:
    """Every write once, in order, and together they make the state."""
    state: dict[str, tuple[str, int]] = {}
    for kind, name, value, revision in events:
        assert (name in state) == (kind != "ADDED"), f"{kind} {name} at {revision}"
        if kind == "DELETED":
            del state[name]
        else:
            assert told.values.get(value) == revision, f"{value[:20]} at {revision} was acknowledged otherwise"
            state[name] = (value, revision)
    of_it = {name for name in (*told.state, *told.deleted) if not half or half_of(name) == half}
    assert state == {name: held for name, held in told.state.items() if name in of_it}
    seen = Counter(value for kind, _, value, _ in events if kind != "DELETED")
    assert all(count == 1 for count in seen.values())
    if not half:
        assert seen.keys() == told.values.keys()
    gone = Counter(name for kind, name, _, _ in events if kind == "DELETED")
    assert gone == Counter(told.deleted & of_it)


async def torment(plane: ControlPlane, rounds: int, seed: int) -> Told:
    chance, told = random.Random(seed), Told()
    client = Client(plane.port, plane.context())
    await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": "writers"}})
    start = int((await client.send("GET", f"{BASE}?labelSelector=half"))[2]["metadata"]["resourceVersion"])
    told.newest = start
    selectors = ["&labelSelector=half", "&labelSelector=half%3D0", "&labelSelector=half%3D1"]
    watchers = [Watcher(plane, start, selector) for selector in selectors]
    tasks = [asyncio.ensure_future(watcher.run()) for watcher in watchers]
    for _ in range(rounds):
        writers = [Writer(plane, told, n, random.Random(chance.random())) for n in range(WRITERS)]
        working = asyncio.gather(*(writer.work() for writer in writers))
        await CLOCK.sleep(chance.uniform(0.05, 1.0))
        plane.kill()
        await working
        await asyncio.to_thread(plane.start)
        client.close()
        await settle(client, told)
        for task in tasks:
            if task.done():
                task.result()
    status, _, last = await client.send("POST", BASE, body("last", "last"))
    assert status == 201
    revision = int(last["metadata"]["resourceVersion"])
    told.state["last"], told.values["last"] = ("last", revision), revision
    half = half_of("last")
    for watcher, of in zip(watchers, ("", "0", "1"), strict=True):
        if of in ("", half):
            await watcher.reached(revision)
        judge(watcher.events, told, of)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    client.close()
    return told


def test_ten_rounds() -> None:
    with control_plane() as plane:
        told = uvloop.run(torment(plane, 10, 1))
    assert told.writes > 100


@pytest.mark.torture
def test_two_hundred_rounds() -> None:
    with control_plane() as plane:
        told = uvloop.run(torment(plane, 200, 2))
    print(f"200 rounds: {told.writes} acknowledged writes, {len(told.deleted)} deletions, revision {told.newest}")
    assert told.writes > 10_000
