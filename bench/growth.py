"""How the cost of requests grows: CPU time of the control plane a request, with few pods and with many.

Get, create and delete must not cost more with more objects, a list by the object, a change nothing for watchers who do
not select it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from bench import load
from bench.load import JSON, MERGE, Job

FULL, PROBE = "full", "probe"
WATCHERS = 2000


@dataclass
class Growth:
    """Measures the server at `port`, whose CPU time `cpu()` tells in seconds; `costs` are microseconds a request, by
    work and number of pods."""

    port: int
    context: ssl.SSLContext
    cpu: Callable[[], float]
    costs: dict[str, dict[int, float]] = field(default_factory=dict)
    _patched: int = 0

    async def run(self, few: int, many: int) -> None:
        self._connections = [load.Connection(self.port, self.context) for _ in range(32)]
        for namespace in (FULL, PROBE):
            await load.make_namespace(self._connections[0], namespace)
        have = 0
        for count in (few, many):
            await self._send(self._creates(FULL, have, count), count - have)
            have = count
            await self._measure(count)
        await self._watchers(many)
        for connection in self._connections:
            connection.close()

    async def _measure(self, count: int) -> None:
        full, probe = load.pods_of(FULL), load.pods_of(PROBE)
        names = self._some(count)
        gone = b'{"gracePeriodSeconds":0}'
        await self._cost("create", count, 1000, self._creates(PROBE, 0, 1000))
        await self._cost("get", count, 5000, (("GET", names[i % 1000], b"", JSON) for i in range(5000)))
        await self._patches("merge patch", count)
        await self._cost("list limit=100", count, 300, (("GET", f"{full}?limit=100", b"", JSON) for _ in range(300)))
        await self._cost("delete", count, 1000, (("DELETE", f"{probe}/p{i}", gone, JSON) for i in range(1000)))
        lists = max(200_000 // count, 4)
        listed = self._send((("GET", full, b"", JSON) for _ in range(lists)), lists)
        await self._keep("list, a thousand objects", count, lists * count / 1000, listed)

    async def _watchers(self, count: int) -> None:
        """Changes while others watch pods that are never changed."""
        watches = [load.Connection(self.port, self.context) for _ in range(WATCHERS)]
        _, page = await self._connections[0].ask(("GET", f"{load.pods_of(FULL)}?limit=1", b"", JSON))
        version = json.loads(page)["metadata"]["resourceVersion"]
        for index, watch in enumerate(watches):
            path = f"{load.pods_of(PROBE)}?watch=1&resourceVersion={version}&fieldSelector=metadata.name%3Dw{index}"
            await watch.send(("GET", path, b"", JSON))
        await self._patches(f"merge patch, {WATCHERS} watchers of others", count)
        for watch in watches:
            watch.close()

    async def _patches(self, work: str, count: int) -> None:
        self._patched += 1
        change = b'{"metadata":{"labels":{"x":"%d"}}}' % self._patched
        names = self._some(count)
        await self._cost(work, count, len(names), (("PATCH", name, change, MERGE) for name in names))

    def _some(self, count: int) -> list[str]:
        """The paths of a thousand of `count` pods."""
        return [f"{load.pods_of(FULL)}/p{index * (count // 1000)}" for index in range(1000)]

    def _creates(self, namespace: str, begin: int, end: int) -> Iterator[Job]:
        path = load.pods_of(namespace)
        return (("POST", path, load.pod(f"p{i}", namespace, i), JSON) for i in range(begin, end))

    async def _cost(self, work: str, count: int, requests: int, jobs: Iterator[Job]) -> None:
        await self._keep(work, count, requests, self._send(jobs, requests))

    async def _keep(self, work: str, count: int, pieces: float, done: Awaitable[None]) -> None:
        await asyncio.sleep(1)  # what came before has settled
        begun = self.cpu()
        await done
        self.costs.setdefault(work, {})[count] = (self.cpu() - begun) / pieces * 1e6

    async def _send(self, jobs: Iterator[Job], count: int) -> None:
        await load.rate(self._connections, jobs, count)


def print_growth(costs: dict[str, dict[int, float]], few: int, many: int) -> None:
    print(f"{'CPU time of the server a request (us)':46} {f'{few:,} pods':>12} {f'{many:,} pods':>16} {'ratio':>8}")
    for work, found in costs.items():
        before = found.get(few) or costs["merge patch"][many]  # of watchers: beside a change that nobody watches
        print(f"{work:46} {before:12,.0f} {found[many]:16,.0f} {found[many] / before:7.2f}x")
