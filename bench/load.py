"""A load on an API server over HTTPS: keep-alive connections, plain requests, nothing cached on this side."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterator

Job = tuple[str, str, bytes, str]
MERGE, APPLY, JSON = "application/merge-patch+json", "application/apply-patch+yaml", "application/json"


class Connection:
    """One connection that sends one request after another."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._port, self._context = port, context
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, limit=1 << 26)
        return self._streams

    async def send(self, job: Job) -> tuple[int, bytes]:
        """The head of the answer: (status, head in lower case)."""
        reader, writer = await self.open()
        method, path, body, media = job
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {JSON}\r\n"
        if body:
            head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        return int(answer[9:12]), answer.lower()

    async def ask(self, job: Job) -> tuple[int, bytes]:
        status, head = await self.send(job)
        reader, _ = await self.open()
        at = head.find(b"content-length:")
        if at >= 0:
            return status, await reader.readexactly(int(head[at + 15 : head.index(b"\r\n", at)]))
        chunks = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            chunks.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, b"".join(chunks)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


def pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def pod(name: str, namespace: str, number: int, scheduler: str = "none") -> bytes:
    container = {
        "name": "c",
        "image": "registry.k8s.io/pause:3.10",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "b"}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    labels = {"app": "bench", "i": str(number % 10)}
    meta = {"name": name, "namespace": namespace, "labels": labels}
    spec = {"schedulerName": scheduler, "containers": [container]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}).encode()


async def make_namespace(connection: Connection, name: str) -> None:
    """Return once pods can be created in it."""
    await connection.ask(("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": name}}).encode(), JSON))
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    while (await connection.ask(("GET", account, b"", JSON)))[0] != 200:  # noqa: ASYNC110 - it comes in no time
        await asyncio.sleep(0.02)


async def rate(connections: list[Connection], jobs: Iterator[Job], count: int) -> float:
    """Jobs a second over all connections. Raises RuntimeError on an answer that is no success."""

    async def worker(connection: Connection) -> None:
        for job in jobs:
            status, body = await connection.ask(job)
            if status >= 300:
                raise RuntimeError(f"{job[0]} {job[1]}: {status} {body[:200]!r}")

    begun = time.perf_counter()
    await asyncio.gather(*map(worker, connections))
    return count / (time.perf_counter() - begun)


async def fan_out(port: int, context: ssl.SSLContext, base: str, changes: int, watchers: int) -> float:
    """Events a second that `watchers` of one collection get together while `changes` pods are patched."""
    writer = Connection(port, context)
    _, page = await writer.ask(("GET", f"{base}?limit=1", b"", JSON))
    version = json.loads(page)["metadata"]["resourceVersion"]
    mark, got = b'"type":"MODIFIED"', [0] * watchers

    async def watch(index: int) -> None:
        connection = Connection(port, context)
        await connection.send(("GET", f"{base}?watch=1&resourceVersion={version}", b"", JSON))
        reader, _ = await connection.open()
        rest = b""
        while got[index] < changes:
            data = rest + await reader.read(1 << 20)
            got[index] += data.count(mark)
            rest = data[1 - len(mark) :] if not data.endswith(mark) else b""
        connection.close()

    tasks = [asyncio.ensure_future(watch(index)) for index in range(watchers)]
    await asyncio.sleep(1)
    begun = time.perf_counter()
    body = b'{"metadata":{"labels":{"w":"%d"}}}'
    writers = [Connection(port, context) for _ in range(8)]
    await rate(writers, (("PATCH", f"{base}/p{i}", body % i, MERGE) for i in range(changes)), changes)
    await asyncio.wait_for(asyncio.gather(*tasks), 60)
    for one in (*writers, writer):
        one.close()
    return changes * watchers / (time.perf_counter() - begun)


async def all_rates(port: int, context: ssl.SSLContext, count: int, width: int) -> dict[str, float]:
    """Every rate of `bench.reference`, with `count` pods and `width` connections."""
    connections = [Connection(port, context) for _ in range(width)]
    namespace = "bench"
    await make_namespace(connections[0], namespace)
    base = pods_of(namespace)

    def apply(index: int) -> bytes:
        meta = {"name": f"p{index}", "labels": {"y": str(index)}}
        return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta}).encode()

    work: list[tuple[str, int, Iterator[Job]]] = [
        ("create pod", count, (("POST", base, pod(f"p{i}", namespace, i), JSON) for i in range(count))),
        ("get pod", count * 10, (("GET", f"{base}/p{i % count}", b"", JSON) for i in range(count * 10))),
        ("list 2,000 pods", 400, (("GET", base, b"", JSON) for _ in range(400))),
        ("list by label, 200 of 2,000", 1000, (("GET", f"{base}?labelSelector=i%3D3", b"", JSON) for _ in range(1000))),
        ("list limit=100", 1000, (("GET", f"{base}?limit=100", b"", JSON) for _ in range(1000))),
        (
            "merge patch",
            count,
            (("PATCH", f"{base}/p{i}", b'{"metadata":{"labels":{"x":"%d"}}}' % i, MERGE) for i in range(count)),
        ),
        (
            "server-side apply",
            count,
            (("PATCH", f"{base}/p{i}?fieldManager=bench&force=true", apply(i), APPLY) for i in range(count)),
        ),
    ]
    found = {name: await rate(connections, jobs, size) for name, size, jobs in work}
    found["watch fan-out, 50 watchers"] = await fan_out(port, context, base, min(count, 500), 50)
    gone = b'{"gracePeriodSeconds":0}'
    jobs = (("DELETE", f"{base}/p{i}", gone, JSON) for i in range(count))
    found["delete pod"] = await rate(connections, jobs, count)
    for connection in connections:
        connection.close()
    return found


async def schedule(port: int, context: ssl.SSLContext, nodes: int, count: int, width: int) -> float:
    """Pods a second, from the first create to the last binding, on nodes without a kubelet."""
    connections = [Connection(port, context) for _ in range(width)]
    names = [f"n{number}" for number in range(nodes)]
    allocatable = {"cpu": "32", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    moments = {"lastHeartbeatTime": "2036-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", **moments}
    status = {"status": {"capacity": allocatable, "allocatable": allocatable, "conditions": [ready]}}
    await rate(connections, (("POST", "/api/v1/nodes", node(name), JSON) for name in names), nodes)
    told = json.dumps(status).encode()
    await rate(connections, (("PATCH", f"/api/v1/nodes/{name}/status", told, MERGE) for name in names), nodes)
    untainted = b'{"spec":{"taints":null}}'
    await rate(connections, (("PATCH", f"/api/v1/nodes/{name}", untainted, MERGE) for name in names), nodes)
    namespace = f"scheduled{nodes}"
    await make_namespace(connections[0], namespace)
    base = pods_of(namespace)
    _, page = await connections[0].ask(("GET", f"{base}?limit=1", b"", JSON))
    version = json.loads(page)["metadata"]["resourceVersion"]
    watch = Connection(port, context)
    await watch.send(("GET", f"{base}?watch=1&resourceVersion={version}", b"", JSON))
    reader, _ = await watch.open()
    bound: set[bytes] = set()

    async def count_bound() -> None:
        while len(bound) < count:
            line = await reader.readline()
            if b'"nodeName":"' in line and b'"type":"MODIFIED"' in line:
                at = line.index(b'"name":"s') + 8
                bound.add(line[at : line.index(b'"', at)])

    begun = time.perf_counter()
    counting = asyncio.ensure_future(count_bound())
    jobs = (("POST", base, pod(f"s{i}", namespace, i, "default-scheduler"), JSON) for i in range(count))
    await rate(connections, jobs, count)
    await asyncio.wait_for(counting, 300)
    spent = time.perf_counter() - begun
    for one in (*connections, watch):
        one.close()
    return count / spent


def node(name: str) -> bytes:
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"z{int(name[1:]) % 3}"}
    return json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}).encode()
