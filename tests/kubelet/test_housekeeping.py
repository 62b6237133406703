"""Evictions, images and logs: what has to go, and when."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pilothouse.kubelet import eviction, image_gc, log_files
from pilothouse.kubelet.eviction import Shortage, Signals, Usage
from pilothouse.seams.runtime import Image
from tests.kubelet.pods import container, pod

GIB, MIB = 1 << 30, 1 << 20
PLENTY = Signals(8 * GIB, 50 * GIB, 100 * GIB, 900, 1000)


@pytest.mark.parametrize(
    ("signals", "conditions"),
    [
        (PLENTY, []),
        (Signals(99 * MIB, 50 * GIB, 100 * GIB), ["MemoryPressure"]),
        (Signals(8 * GIB, 3 * GIB, 100 * GIB), []),
        (Signals(8 * GIB, 1 * GIB, 100 * GIB), ["DiskPressure"]),
        (Signals(8 * GIB, 400 * MIB, 10 * GIB), ["DiskPressure"]),
        (Signals(8 * GIB, 600 * MIB, 10 * GIB), []),
        (Signals(8 * GIB, 50 * GIB, 100 * GIB, 40, 1000), ["DiskPressure"]),
        (Signals(0, 0, 100 * GIB), ["MemoryPressure", "DiskPressure"]),
    ],
)
def test_thresholds(signals: Signals, conditions: list[str]) -> None:
    assert [s.condition for s in eviction.shortages(signals)] == conditions


def test_a_pressure_stays_for_five_minutes() -> None:
    pressures = eviction.Pressures()
    assert pressures.held(0.0) == {}
    pressures.note(eviction.shortages(Signals(0, GIB * 9, GIB * 9)), 100.0)
    assert pressures.held(399.0) == {"MemoryPressure": True}
    assert pressures.held(401.0) == {"MemoryPressure": False}


def test_who_has_to_go_first() -> None:
    def one(name: str, asks: str = "", priority: int = 0) -> tuple[str, object]:
        resources = {"requests": {"memory": asks}} if asks else {}
        return name, pod(container(resources=resources), name=name, meta={"uid": name}, priority=priority)

    pods = dict([one("modest", "1Gi"), one("greedy", "100Mi"), one("greedier"), one("vital", priority=2_000_001_000)])
    usage = {"modest": Usage(900 * MIB), "greedy": Usage(300 * MIB), "greedier": Usage(400 * MIB), "vital": Usage(GIB)}

    def chosen() -> str:
        found = eviction.victim(list(pods.values()), usage, "memory")  # type: ignore[arg-type]
        return found.metadata.name if found else ""

    order = []
    while (name := chosen()) and name in pods:
        order.append(name)
        del pods[name]
        if set(pods) == {"vital"}:
            break
    assert order == ["greedier", "greedy", "modest"]
    assert chosen() == "", "critical pods are spared"


def test_the_message_says_what_ran_short() -> None:
    shortage = Shortage("MemoryPressure", "memory", 100 * MIB, 50 * MIB)
    assert eviction.explanation(pod(), shortage, Usage(60 * MIB)) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 60Mi, request is 0, has larger consumption of memory. "
    )


@pytest.mark.parametrize(
    ("written", "text"),
    [(MIB, ""), (MIB + 1, 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ')],
)
def test_an_empty_dir_has_its_limit(written: int, text: str) -> None:
    subject = pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}])
    assert eviction.over_limit(subject, {"v": written}, written, {}) == text


def test_local_storage_has_its_limit() -> None:
    subject = pod(container(resources={"limits": {"ephemeral-storage": "1Mi"}}))
    assert eviction.over_limit(subject, {}, MIB, {}) == ""
    assert "total limit of containers 1Mi" in eviction.over_limit(subject, {}, MIB + 1, {})


def image(name: str) -> Image:
    return Image(name, (name,), (), 10)


def test_images_go_longest_unused_first_and_never_at_once() -> None:
    ages = image_gc.ImageAges()
    images = [image(name) for name in ("a", "b", "c")]
    ages.note(images, {"a"}, 0.0)
    ages.note(images, {"b"}, 100.0)
    assert ages.removable(images, {"b"}, 119.0) == []
    assert [i.id for i in ages.removable(images, {"b"}, 200.0)] == ["c", "a"]


@pytest.mark.parametrize(("available", "expected"), [(50, 0), (16, 0), (14, 6), (0, 20)])
def test_how_much_has_to_go(available: int, expected: int) -> None:
    assert image_gc.to_free(100, available) == expected


def test_logs_are_rotated_compressed_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "LARGEST", 3)
    path = tmp_path / "0.log"
    assert not log_files.due(path)
    for number in range(7):
        path.write_text(f"line {number}")
        assert log_files.due(path)
        log_files.rotate(path, f"2026010{number}-000000")
    names = sorted(p.name for p in tmp_path.glob("0.log.*"))
    assert names == [f"0.log.2026010{n}-000000" + (".gz" if n < 6 else "") for n in (3, 4, 5, 6)]
    assert gzip.decompress((tmp_path / names[0]).read_bytes()) == b"line 3"
    path.write_text("x")
    log_files.remove(path)
    assert list(tmp_path.iterdir()) == []
