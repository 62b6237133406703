"""Who asks for much leaves the others their turn: long lists, slow readers, idle watches."""

from __future__ import annotations

import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import uvloop

from pilothouse.house import spec as specs
from pilothouse.house.pki import PKI
from pilothouse.kit.clock import SystemClock, pause
from tests.torture.client import Client
from tests.torture.cluster import ControlPlane, control_plane
from tests.torture.wire import dial

CLOCK = SystemClock()
LISTERS, OBJECTS = 200, 2000
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1"
SECONDS = 6.0
LONGEST = 0.1
"""Seconds that 99 of 100 lease renewals may take."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with control_plane(nodes=1) as found:
        uvloop.run(fill(found))
        yield found


async def fill(plane: ControlPlane) -> None:
    client = Client(plane.port, plane.context())
    await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": "many"}})
    binding = {
        "metadata": {"name": "lister"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "lister", "namespace": "many"}],
    }
    await client.send("POST", "/api/v1/namespaces/many/serviceaccounts", {"metadata": {"name": "lister"}})
    await client.send("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    clients = [Client(plane.port, plane.context()) for _ in range(8)]

    async def some(client: Client, start: int) -> None:
        for number in range(start, OBJECTS, len(clients)):
            body = {"metadata": {"name": f"c{number}"}, "data": {"text": "x" * 2000}}
            status, _, answer = await client.send("POST", "/api/v1/namespaces/many/configmaps", body)
            assert status == 201, answer
        client.close()

    await asyncio.gather(*(some(each, start) for start, each in enumerate(clients)))
    client.close()


def node_context(plane: ControlPlane) -> ssl.SSLContext:
    """The TLS of the kubelet of node-1."""
    spec = specs.load(plane.paths)
    assert spec is not None
    pair = PKI(plane.paths.pki).pair("node-node-1")
    file = plane.home / "node.pem"
    file.write_bytes(pair.certificate + pair.key)
    context = plane.context(known=False)
    context.load_cert_chain(file)
    return context


async def renewals(plane: ControlPlane, seconds: float) -> list[float]:
    """How long each renewal of the node's lease takes, forty a second."""
    client, found = Client(plane.port, node_context(plane)), []
    end = CLOCK.monotonic() + seconds
    while (begun := CLOCK.monotonic()) < end:
        status, _, answer = await client.send("PATCH", LEASE, {"spec": {"leaseDurationSeconds": 40}})
        found.append(CLOCK.monotonic() - begun)
        assert status == 200, answer
        await CLOCK.sleep(0.025)
    client.close()
    return sorted(found)


class Metronome:
    """How late this machine wakes who sleeps, whatever the control plane does: what nobody can blame on it."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.is_set():
            begun = CLOCK.monotonic()
            pause(0.005)
            self._late.append(CLOCK.monotonic() - begun - 0.005)

    def stop(self) -> float:
        """The lateness that 99 of 100 stay below."""
        self._stopped.set()
        self._thread.join()
        return sorted(self._late)[int(len(self._late) * 0.99)]


def _started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def besieged(plane: ControlPlane) -> tuple[list[float], int, dict[str, int]]:
    client = Client(plane.port, plane.context())
    path = "/api/v1/namespaces/many/serviceaccounts/lister/token"
    _, _, answer = await client.send("POST", path, {"kind": "TokenRequest", "spec": {}})
    authority = plane.home / "ca.pem"
    authority.write_text(plane.authority)
    command = [sys.executable, "-m", "tests.torture.listers", str(plane.port), str(authority)]
    command += [answer["status"]["token"], "/api/v1/namespaces/many/configmaps", str(LISTERS)]
    process = _started(command)
    await CLOCK.sleep(2.0)
    taken = await renewals(plane, SECONDS)
    health, _, _ = await client.send("GET", "/livez")
    client.close()
    told, _ = await asyncio.to_thread(process.communicate)
    return taken, health, json.loads(told.replace("'", '"'))


def test_lease_renewals_pass_two_hundred_clients_that_list(plane: ControlPlane) -> None:
    metronome = Metronome()
    try:
        taken, health, told = uvloop.run(besieged(plane))
    finally:
        noise = metronome.stop()
    assert told["answered"] > 0
    assert told["refused"] > 0
    assert told["bare"] == 0, "a refusal that does not say when to come back"
    assert health == 200
    late = taken[int(len(taken) * 0.99)]
    print(
        f"renewals: p50 {statistics.median(taken):.4f} s, p99 {late:.4f} s of {len(taken)}; {told}; noise {noise:.4f} s"
    )
    assert late < LONGEST + 2 * noise  # there and back


IDLE, SLOW = 2000, 20
WRITES = 300


async def opened(
    plane: ControlPlane, context: ssl.SSLContext, path: str
) -> tuple[asyncio.StreamReader, asyncio.Transport]:
    """A watch that nobody reads yet."""
    while True:
        try:
            reader, writer = await dial(plane.port, context, 1024)
            break
        except OSError:
            await CLOCK.sleep(0.05)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return reader, writer


async def writing(plane: ControlPlane) -> float:
    """CPU seconds that the control plane takes for a number of writes."""
    client, before = Client(plane.port, plane.context()), plane.cpu
    for number in range(WRITES):
        status, _, answer = await client.send(
            "PATCH", "/api/v1/namespaces/many/configmaps/c1", {"data": {"n": str(number)}}
        )
        assert status == 200, answer
    client.close()
    return plane.cpu - before


async def with_watchers(plane: ControlPlane) -> tuple[float, float, float]:
    """CPU seconds of writes alone, and beside idle watches; the megabytes that each watch takes."""
    await writing(plane)
    alone = await writing(plane) + await writing(plane)
    context, before = plane.context(), plane.resident
    path = "/api/v1/namespaces/many/secrets?watch=1&resourceVersion=0"
    idle: list[tuple[asyncio.StreamReader, asyncio.Transport]] = []
    for _ in range(0, IDLE, 50):
        idle += await asyncio.gather(*(opened(plane, context, path) for _ in range(50)))
    await CLOCK.sleep(0.5)
    each = (plane.resident - before) / IDLE
    beside = await writing(plane) + await writing(plane)
    for _, writer in idle:
        writer.abort()
    return alone, beside, each


def test_idle_watches_cost_the_others_nothing(plane: ControlPlane) -> None:
    alone, beside, each = uvloop.run(with_watchers(plane))
    print(f"CPU of writes: {alone:.2f} s alone, {beside:.2f} s beside {IDLE} idle watches of {each * 1024:.0f} kB")
    assert beside < 1.3 * alone + 0.1
    assert each < 0.15


async def with_slow_readers(plane: ControlPlane) -> tuple[float, float]:
    """The megabytes that readers who do not read cost while many megabytes pass them, at the most and afterwards."""
    context = plane.context()
    path = "/api/v1/namespaces/many/configmaps?watch=1"
    slow = [await opened(plane, context, path) for _ in range(SLOW)]
    for _, writer in slow:
        writer.pause_reading()
    before, most = plane.resident, 0.0
    client = Client(plane.port, plane.context())
    for number in range(400):
        body = {"data": {"text": f"{number}" + "x" * 200_000}}
        assert (await client.send("PATCH", "/api/v1/namespaces/many/configmaps/c2", body))[0] == 200
        most = max(most, plane.resident - before)
    reader, writer = slow[0]
    writer.resume_reading()
    async with asyncio.timeout(20):
        told = b""
        while not told.endswith(b"\r\n0\r\n\r\n"):
            told += await reader.read(1 << 20)
    assert b'"ERROR"' not in told
    for _, writer in slow:
        writer.abort()
    client.close()
    return most, plane.resident - before


def test_slow_readers_are_not_buffered_for_without_bound(plane: ControlPlane) -> None:
    """Eighty megabytes pass twenty readers who take nothing: 1,600 would wait if each had them to come. Each is let go
    of, without an error: its watch ends."""
    most, after = uvloop.run(with_slow_readers(plane))
    print(f"{SLOW} slow readers: {most:.0f} MB at the most, {after:.0f} MB after")
    assert most < 250
    assert plane.ask("GET", "/readyz")[0] == 200
