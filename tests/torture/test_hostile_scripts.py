"""Whoever may only create pods and run commands in them: what their scripts take from everybody else.

The pods of a simulated cluster share the control plane's process. Twenty of them run what is meant to take its memory
and its thread, others flood it with commands; beside it a client reads, nodes renew their leases, and once the pods are
deleted all is as before.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import Any

import pytest
import uvloop

from pilothouse.kit.clock import SystemClock
from tests.runtime.test_simulated_limits import GREEDY, TIRELESS
from tests.torture.client import Client
from tests.torture.cluster import ControlPlane, control_plane
from tests.torture.wire import dial

CLOCK = SystemClock()
PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
COUNT, SECONDS = 20, 30.0
SLOWEST = 0.050
"""Seconds of a read, of all but the slowest twentieth: the machine may have other things to do."""
EXEC = "exec?command=sh&command=-c&command=while+:%3B+do+echo+x%3B+done&stdout=1&container="


def pod(number: int) -> dict[str, Any]:
    """A pod with two hostile containers, and a probe that is one, too."""
    scripts = GREEDY + TIRELESS

    def container(name: str, script: str) -> dict[str, Any]:
        probe = {"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 2, "timeoutSeconds": 1}
        return {"name": name, "image": "x", "command": ["sh", "-c", script], "livenessProbe": probe}

    chosen = [scripts[(2 * number + at) % len(scripts)] for at in range(2)]
    containers = [container(f"c{at}", script) for at, script in enumerate(chosen)]
    return {"metadata": {"name": f"p{number:02}"}, "spec": {"containers": containers}}


async def exec_flood(plane: ControlPlane, number: int) -> None:
    """Commands that write without end, one after the other, each of which nobody reads for long."""
    while True:
        head = (
            f"GET {PODS}/p{number % COUNT:02}/{EXEC}c0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
        )
        try:
            reader, writer = await dial(plane.port, plane.context())
        except OSError:
            await CLOCK.sleep(0.1)
            continue
        try:
            writer.write(head.encode())
            await reader.readline()
            await CLOCK.sleep(2)
        finally:
            writer.abort()


async def healthy(plane: ControlPlane, times: list[float]) -> None:
    client = Client(plane.port, plane.context())
    try:
        await reads(client, times)
    finally:
        client.close()


async def reads(client: Client, times: list[float]) -> None:
    while True:
        before = CLOCK.monotonic()
        assert (await client.send("GET", "/api/v1/namespaces/default"))[0] == 200
        times.append(CLOCK.monotonic() - before)
        await CLOCK.sleep(0.02)


async def renewed(client: Client) -> dict[str, str]:
    items = (await client.send("GET", LEASES))[2]["items"]
    return {item["metadata"]["name"]: item["spec"]["renewTime"] for item in items}


async def attack(plane: ControlPlane, flood: int, allowed: float) -> None:
    client = Client(plane.port, plane.context())
    try:
        await attacked(plane, client, flood, allowed)
    finally:
        client.close()


async def attacked(plane: ControlPlane, client: Client, flood: int, allowed: float) -> None:
    quiet: list[float] = []
    reading = asyncio.ensure_future(healthy(plane, quiet))
    await CLOCK.sleep(5)
    reading.cancel()
    await asyncio.wait((reading,))
    before, cpu = plane.resident, plane.cpu
    leases = await renewed(client)
    times: list[float] = []
    for number in range(COUNT):
        assert (await client.send("POST", PODS, pod(number)))[0] == 201
    tasks = [asyncio.ensure_future(healthy(plane, times))]
    tasks += [asyncio.ensure_future(exec_flood(plane, number)) for number in range(flood)]
    most = 0.0
    end = CLOCK.monotonic() + SECONDS
    while CLOCK.monotonic() < end:
        await CLOCK.sleep(0.5)
        most = max(most, plane.resident - before)
    assert not tasks[0].done(), tasks[0]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    after = await renewed(client)
    parts = statistics.quantiles(times, n=100)
    slowest = parts[94]
    said = ", ".join(f"{1000 * value:.1f}" for value in (parts[49], slowest, parts[98], max(times), max(quiet)))
    print(f"reads took {said} ms (median, 95 %, 99 %, the slowest, the slowest before)")
    print(f"{most:.0f} MB more at the most, {100 * (plane.cpu - cpu) / SECONDS:.0f} % of a core")
    assert all(after[name] != leases[name] for name in leases), "every node renews its lease"
    for number in range(COUNT):
        await client.send("DELETE", f"{PODS}/p{number:02}?gracePeriodSeconds=0")
    while (await client.send("GET", PODS))[2]["items"]:
        await CLOCK.sleep(0.5)
    await CLOCK.sleep(40)
    cpu, left = plane.cpu, plane.resident - before
    await CLOCK.sleep(10)
    idle = (plane.cpu - cpu) / 10
    print(f"{left:.0f} MB and {100 * idle:.0f} % of a core are left of it")
    assert slowest < SLOWEST
    assert most < allowed
    assert left < allowed * 0.7
    assert idle < 0.15
    assert "Traceback" not in plane.log, plane.log[-3000:]


@pytest.mark.torture
@pytest.mark.parametrize(("flood", "allowed"), [(0, 100.0), (20, 200.0)])
def test_who_may_only_create_pods_takes_little_from_others(flood: int, allowed: float) -> None:
    """`flood`: how many clients run commands without end; their connections take memory, too (`allowed` MB)."""
    with control_plane(nodes=2) as plane:
        uvloop.run(attack(plane, flood, allowed))
