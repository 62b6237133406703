"""kill -9 among eight writers: no acknowledged write is lost or doubled, revisions only grow, watches miss nothing."""

from __future__ import annotations

import pathlib
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from pilothouse.seams.store import Event, StoreError
from pilothouse.store.sqlite import SQLiteStore

SCRIPT = pathlib.Path(__file__).with_name("crash_writer.py")


@dataclass
class Collector:
    seen: list[Event] = field(default_factory=list)

    def events(self, batch: Sequence[Event]) -> None:
        self.seen += batch

    def ended(self, error: StoreError) -> None: ...


@dataclass
class Round:
    """What a killed process told: (key, value, revision) of acknowledged writes (value None: deleted), and what was
    begun and not acknowledged."""

    acknowledged: list[tuple[str, bytes | None, int]] = field(default_factory=list)
    begun: dict[str, tuple[str, bytes | None]] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        match line.split():
            case ["B", writer, operation, key, value]:
                self.begun[writer] = (key, None if operation == "delete" else value.encode())
            case ["A", writer, revision]:
                key, wrote = self.begun.pop(writer)
                self.acknowledged.append((key, wrote, int(revision)))


def run_and_kill(path: pathlib.Path, seed: int, compact_to: int, acknowledgements: int) -> Round:
    """Let the writers work until so many writes were acknowledged, then kill them in the middle of others."""
    told = Round()
    command = [sys.executable, str(SCRIPT), str(path), str(seed), str(compact_to)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            told.hear(line)
            if len(told.acknowledged) >= acknowledgements:
                process.kill()
                break
        for line in lines:
            if line.endswith("\n"):
                told.hear(line)
    assert process.wait() == -9
    return told


async def check(path: pathlib.Path, told: Round, state: dict[str, tuple[bytes, int]], last: int) -> int:
    """Compare the store with what was told; bring `state` up to date; the newest revision."""
    store = await SQLiteStore.open(path)
    sink = Collector()
    watch = await store.watch("/", last, sink)
    await watch.catch_up()
    revisions = [event.mod_revision for event in sink.seen]
    assert revisions == sorted(set(revisions))
    seen = {event.mod_revision: (event.key, event.value) for event in sink.seen}
    for key, value, revision in told.acknowledged:
        assert revision > last, "a revision was given out again"
        assert seen.pop(revision) == (key, value), "an acknowledged write is not there"
    assert len({revision for _, _, revision in told.acknowledged}) == len(told.acknowledged)
    assert all(write in told.begun.values() for write in seen.values()), "something was written that nobody began"
    assert len(seen) == len(set(seen.values())), "a write was made twice"
    for event in sink.seen:
        if event.value is None:
            del state[event.key]
        else:
            state[event.key] = (event.value, event.mod_revision)
    found = await store.range("/")
    assert {item.key: (item.value, item.mod_revision) for item in found.items} == state
    newest = await store.revision()
    after = await store.create("/after", b"")
    assert after > newest
    assert await store.delete("/after", after) > after
    await store.close()
    return after + 1


async def torment(path: pathlib.Path, rounds: int) -> None:
    chance = random.Random(rounds)
    state: dict[str, tuple[bytes, int]] = {}
    last = 1
    for seed in range(rounds):
        told = run_and_kill(path, seed, last, chance.randrange(20, 400))
        last = await check(path, told, state, last)


async def test_ten_rounds(tmp_path: pathlib.Path) -> None:
    await torment(tmp_path / "store.db", 10)


@pytest.mark.torture
async def test_two_hundred_rounds(tmp_path: pathlib.Path) -> None:
    await torment(tmp_path / "store.db", 200)
