"""Every engine against a model: random operations, and after each the store must be what the model is."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from pilothouse.seams.store import (
    Compacted,
    Event,
    FutureRevision,
    KeyExists,
    KeyValue,
    NotRestorable,
    RevisionMismatch,
    Snapshot,
    Store,
    Watch,
)

from .engines import Collector, Engine, EtcdEngine, EtcdServer, MemoryEngine, SQLiteEngine

T = TypeVar("T")
KEYS = st.sampled_from(["/p/a", "/p/b", "/p/b/c", "/p/bb", "/q/a", "/p"])
PREFIXES = st.sampled_from(["", "/", "/p", "/p/", "/p/b", "/q/", "/none/"])
VALUES = st.binary(max_size=8)


class Model:
    """The obvious store: the whole state after every revision."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.compacted = 0
        self.states: dict[int, dict[str, KeyValue]] = {revision: {}}
        self.events: list[Event] = []

    @property
    def now(self) -> dict[str, KeyValue]:
        return self.states[self.revision]

    def at(self, revision: int) -> dict[str, KeyValue]:
        """The state at a revision, which may be one that no write had."""
        return self.states[max(r for r in self.states if r <= revision)]

    def wrote(self, revision: int, key: str, value: bytes | None) -> None:
        assert revision > self.revision
        state = dict(self.now)
        if value is None:
            del state[key]
            event = Event(key, None, 0, revision)
        else:
            created = state[key].create_revision if key in state else revision
            state[key] = KeyValue(key, value, created, revision)
            event = Event(key, value, created, revision)
        self.revision = revision
        self.states[revision] = state
        self.events.append(event)

    def restored(self, revision: int, state: dict[str, KeyValue]) -> None:
        assert revision > self.revision
        self.revision = self.compacted = revision
        self.states[revision] = state


class Machine(RuleBasedStateMachine):
    """Subclassed for each engine."""

    runner: asyncio.Runner
    """One loop for all examples: gRPC does not get over the end of a loop with calls that just ended."""

    def engine_at(self, path: Path) -> Engine:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.engine = self.engine_at(self.folder)
        self.store: Store = self.do(self.engine.open())
        self.model = Model(self.do(self.store.revision()))
        self.open_watches: list[tuple[str, int, Collector, Watch]] = []
        self.snapshots: list[tuple[Snapshot, dict[str, KeyValue]]] = []

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.do(self.store.close())
        for snapshot, _ in self.snapshots:
            self.do(snapshot.close())
        self.do(self.engine.stop())
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.base = self.model.revision

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        current = self.model.now.get(key)
        if current is None:
            self.model.wrote(self.do(self.store.create(key, value)), key, value)
        else:
            with pytest.raises(KeyExists) as caught:
                self.do(self.store.create(key, value))
            assert caught.value.current == current

    @rule(key=KEYS, value=VALUES, off=st.sampled_from([0, 0, 0, -1, 1]))
    def replace(self, key: str, value: bytes, off: int) -> None:
        self.change(key, value, off)

    @rule(key=KEYS, off=st.sampled_from([0, 0, 0, -1, 1]))
    def delete(self, key: str, off: int) -> None:
        self.change(key, None, off)

    def change(self, key: str, value: bytes | None, off: int) -> None:
        current = self.model.now.get(key)
        expected = (current.mod_revision if current else 1) + off
        work = self.store.delete(key, expected) if value is None else self.store.replace(key, value, expected)
        if current is not None and off == 0:
            self.model.wrote(self.do(work), key, value)
        else:
            with pytest.raises(RevisionMismatch) as caught:
                self.do(work)
            assert caught.value.current == current

    @rule(
        prefix=PREFIXES, start=st.sampled_from(["", "/p/b", "/p/b\0"]), limit=st.integers(0, 3), back=st.integers(-1, 6)
    )
    def range(self, prefix: str, start: str, limit: int, back: int) -> None:
        revision = 0 if back == 0 else max(self.model.revision - back, self.base)
        work = self.store.range(prefix, start=start, limit=limit, revision=revision)
        if revision > self.model.revision:
            with pytest.raises(FutureRevision):
                self.do(work)
        elif revision and revision < self.model.compacted:
            with pytest.raises(Compacted):
                self.do(work)
        else:
            at = revision or self.model.revision
            state = self.model.at(at)
            expected = [state[key] for key in sorted(state) if key.startswith(prefix) and key >= start]
            found = self.do(work)
            items = expected[:limit] if limit else expected
            assert (list(found.items), found.total) == (items, len(expected))
            assert (found.more, found.revision) == (len(items) < len(expected), at)

    @rule(back=st.integers(0, 4))
    def compact(self, back: int) -> None:
        revision = self.model.revision - back
        if revision <= self.model.compacted or revision <= self.base:
            return
        self.do(self.store.compact(revision))
        self.model.compacted = revision

    @rule(prefix=PREFIXES, back=st.integers(-2, 5))
    def watch(self, prefix: str, back: int) -> None:
        after = max(self.model.revision - back, self.base)
        sink = Collector()
        if after < self.model.compacted:
            if after < self.model.compacted - 1:
                with pytest.raises(Compacted):
                    self.do(self.store.watch(prefix, after, sink))
            return
        self.open_watches.append((prefix, after, sink, self.do(self.store.watch(prefix, after, sink))))

    @rule()
    def close_a_watch(self) -> None:
        if self.open_watches:
            self.open_watches.pop(0)[3].close()

    @rule()
    def take_a_snapshot(self) -> None:
        snapshot = self.do(self.store.snapshot())
        assert snapshot.revision == self.model.revision
        self.snapshots.append((snapshot, self.model.now))

    @rule(index=st.integers(0, 2))
    def restore(self, index: int) -> None:
        if index >= len(self.snapshots):
            return
        snapshot, state = self.snapshots[index]
        if not self.engine.restorable:
            with pytest.raises(NotRestorable):
                self.do(self.store.restore(snapshot))
            return
        self.model.restored(self.do(self.store.restore(snapshot)), state)
        for _, _, sink, _ in self.open_watches:
            assert isinstance(sink.error, Compacted)
        self.open_watches.clear()

    @rule()
    def restart(self) -> None:
        if not self.engine.durable:
            return
        self.do(self.store.close())
        self.open_watches.clear()
        self.store = self.do(self.engine.open())

    @invariant()
    def is_the_model(self) -> None:
        assert self.do(self.store.revision()) == self.model.revision
        for key in ("/p/a", "/p/b"):
            assert self.do(self.store.get(key)) == self.model.now.get(key)

    @invariant()
    def watches_saw_everything(self) -> None:
        for prefix, after, sink, watch in list(self.open_watches):
            try:
                self.do(watch.catch_up())
            except Compacted:
                # etcd reads a past watch's events some time later, and by then they may be compacted.
                assert self.engine.reads_the_past_later
                assert sink.error is not None
                self.open_watches.remove((prefix, after, sink, watch))
                continue
            expected = [e for e in self.model.events if e.mod_revision > after and e.key.startswith(prefix)]
            assert sink.seen == expected


class MemoryMachine(Machine):
    def engine_at(self, path: Path) -> Engine:
        return MemoryEngine()


class SQLiteMachine(Machine):
    def engine_at(self, path: Path) -> Engine:
        return SQLiteEngine(path)


def machine_of(engine: str, request: pytest.FixtureRequest) -> type[Machine]:
    if engine != "etcd":
        return MemoryMachine if engine == "memory" else SQLiteMachine
    server: EtcdServer = request.getfixturevalue("etcd")

    class EtcdMachine(Machine):
        def engine_at(self, path: Path) -> Engine:
            return EtcdEngine(server)

    return EtcdMachine


def run(machine: type[Machine], examples: int, steps: int) -> None:
    with asyncio.Runner() as machine.runner:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("engine", ["memory", "sqlite", "etcd"])
def test_against_the_model(engine: str, request: pytest.FixtureRequest) -> None:
    run(machine_of(engine, request), 25 if engine != "etcd" else 8, 30)


@pytest.mark.torture
@pytest.mark.parametrize("engine", ["memory", "sqlite", "etcd"])
def test_against_the_model_for_long(engine: str, request: pytest.FixtureRequest) -> None:
    run(machine_of(engine, request), 1000 if engine != "etcd" else 100, 60)
