"""Ten thousand hostile requests to a control plane in a process of its own: none is answered 5xx unless the real server
does, none goes without an answer, crashes anything, or holds the loop; memory stays what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import uvloop

from tests.torture.attackers import Findings, attack
from tests.torture.cluster import ControlPlane, control_plane
from tests.torture.hostile import NAMESPACE

HELD = 0.1
"""Seconds that no request may hold the loop."""
GROWTH = 40.0
"""Megabytes that thousands more may add to memory once its caches are full."""


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with control_plane(nodes=1) as found:
        found.kill()
        found.start(watched=True)
        found.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for kind, spec in (
            ("configmaps", {"data": {"a": "b"}}),
            ("pods", {"spec": {"containers": [{"name": "a", "image": "x"}]}}),
        ):
            found.ask("POST", f"/api/v1/namespaces/{NAMESPACE}/{kind}", {"metadata": {"name": NAMESPACE}, **spec})
        found.held.write_text("")
        yield found


def assault(plane: ControlPlane, seed: int, count: int) -> None:
    log = len(plane.log)
    found = uvloop.run(attack(plane, seed, count))
    _judge(found)
    assert "Traceback" not in plane.log[log:], plane.log[log:][-5000:]
    held = [line for line in plane.held.read_text().splitlines() if float(line.split()[0]) > HELD]
    assert held == [], "\n".join(held)
    assert plane.ask("GET", "/readyz")[0] == 200


def _judge(found: Findings) -> None:
    told = [
        f"{status} {body[:300]!r} to {attempt.about}: {attempt.pieces[0][:600]!r}"
        for attempt, status, body in found.failures
    ]
    told += [f"no answer to {attempt.about}: {attempt.pieces[0][:600]!r}" for attempt in found.unanswered]
    assert told == [], "\n".join(told[:20])


def test_hostile_requests_harm_nobody(plane: ControlPlane) -> None:
    assault(plane, 1, 1500)


@pytest.mark.torture
def test_ten_thousand_hostile_requests(plane: ControlPlane) -> None:
    for seed in range(2, 5):
        assault(plane, seed, 4000)
    before = plane.resident  # by now the histories of resources, which are bounded, are as long as they get
    assault(plane, 5, 4000)
    print(f"{before:.0f} MB resident after 12,000 hostile requests, {plane.resident:.0f} MB after 16,000")
    assert plane.resident - before < GROWTH
