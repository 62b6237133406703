"""A disk that takes no more, and no more descriptors: refusals that say so, nothing lost, and all well again after."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.kit.clock import SystemClock, pause
from tests.torture.cluster import ControlPlane, control_plane

CLOCK = SystemClock()
MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE = 15.0


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with control_plane() as found:
        yield found


@contextlib.contextmanager
def limited(plane: ControlPlane, what: int, most: int) -> Iterator[None]:
    """The process may have no more than that of a resource meanwhile."""
    soft, hard = resource.prlimit(plane.pid, what)
    resource.prlimit(plane.pid, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(plane.pid, what, (soft, hard))


def create(plane: ControlPlane, name: str, size: int = 1) -> tuple[int, Any]:
    return plane.ask("POST", MAPS, {"metadata": {"name": name}, "data": {"a": "x" * size}})


def eventually_created(plane: ControlPlane, name: str) -> None:
    end = CLOCK.monotonic() + PATIENCE
    while create(plane, name)[0] != 201:
        assert CLOCK.monotonic() < end, plane.log[-2000:]
        pause(0.05)


def test_a_full_disk_refuses_writes_and_loses_nothing(plane: ControlPlane) -> None:
    largest = max(file.stat().st_size for file in plane.paths.store.parent.glob("store.db*"))
    kept: list[str] = []
    with limited(plane, resource.RLIMIT_FSIZE, largest + 1_000_000):
        for number in range(100):
            status, answer = create(plane, f"full-{number}", 100_000)
            if status != 201:
                break
            kept.append(f"full-{number}")
        assert status == 500
        assert answer["kind"] == "Status"
        assert answer["message"].startswith("cannot write: ")
        assert plane.ask("GET", f"{MAPS}/{kept[0]}")[0] == 200
        assert plane.ask("GET", "/livez")[0] == 200
    eventually_created(plane, "after")
    plane.kill()
    plane.start()
    there = {item["metadata"]["name"] for item in plane.ask("GET", MAPS)[1]["items"]}
    assert there >= {*kept, "after"}
    assert f"full-{len(kept)}" not in there
    assert "Traceback" not in plane.log


def test_without_descriptors_it_waits_for_better_times(plane: ControlPlane) -> None:
    held = len(os.listdir(f"/proc/{plane.pid}/fd"))
    with limited(plane, resource.RLIMIT_NOFILE, held + 10), contextlib.ExitStack() as open_ones:
        for _ in range(40):
            with contextlib.suppress(OSError):
                open_ones.enter_context(socket.create_connection(("127.0.0.1", plane.port), timeout=2))
        pause(0.3)
        before = plane.cpu
        pause(1.0)
        assert plane.cpu - before < 0.5, "it tries again and again"
    end = CLOCK.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if plane.ask("GET", "/readyz")[0] == 200:
                break
        assert CLOCK.monotonic() < end
        pause(0.05)
    eventually_created(plane, "descriptors")
    assert "Traceback" not in plane.log
