"""1,500 clients that watch nine megabytes of objects and read nothing, at a control plane in a process of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from pilothouse.kit.clock import pause
from tests.torture.cluster import ControlPlane, control_plane
from tests.torture.non_readers import config_map, silent

MAPS = "/api/v1/namespaces/default/configmaps"
OBJECTS, CLIENTS = 3600, 1500
MOST = 300.0
"""Megabytes that all of them may take."""


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    with control_plane(nodes=0) as found:
        yield found


@pytest.mark.torture
async def test_clients_that_do_not_read(plane: ControlPlane) -> None:
    for number in range(OBJECTS):
        body = json.loads(config_map(number))
        assert (await asyncio.to_thread(plane.ask, "POST", MAPS, body))[0] == 201
    before = plane.resident
    async with silent(plane.port, f"{MAPS}?watch=1", CLIENTS, plane.context()):
        took = plane.resident - before
        assert (await asyncio.to_thread(plane.ask, "GET", "/readyz"))[0] == 200
        print(f"{CLIENTS} clients took {took:.0f} MB")
        assert took < MOST
        # Who does not read is let go of once what it has not had is no longer remembered.
        for _ in range(3):
            for number in range(OBJECTS):
                patch = {"data": {"a": "y" * 2400, "b": str(_)}}
                await asyncio.to_thread(_patch, plane, f"{MAPS}/c{number:06}", patch)
        for _ in range(60):
            if plane.figure("apiserver_longrunning_requests", resource="configmaps") < 5:
                break
            pause(1)
        assert plane.figure("apiserver_longrunning_requests", resource="configmaps") < 5
    for _ in range(90):
        if plane.resident - before < MOST / 2:
            break
        pause(1)
    print(f"{plane.resident - before:.0f} MB are left of it")
    assert plane.resident - before < MOST / 2


def _patch(plane: ControlPlane, path: str, body: object) -> None:
    assert plane.ask("PATCH", path, body, Content_Type="application/merge-patch+json")[0] == 200
