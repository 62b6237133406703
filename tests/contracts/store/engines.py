"""The engines that the contract suite runs on, behind one harness."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from pilothouse.seams.store import Event, Store, StoreError, Watch
from pilothouse.store.encryption.encrypted import EncryptedStore, Rule
from pilothouse.store.encryption.providers import GCM, Identity
from pilothouse.store.etcd.channel import Endpoint
from pilothouse.store.etcd.engine import EtcdStore
from pilothouse.store.memory import MemoryStore
from pilothouse.store.sqlite import SQLiteStore


class Engine(Protocol):
    """Opens stores over the same data, again and again."""

    durable: bool
    reads_the_past_later: bool
    restorable: bool

    async def open(self) -> Store: ...

    async def stop(self) -> None: ...


class MemoryEngine:
    restorable = True
    durable = False
    reads_the_past_later = False

    async def open(self) -> Store:
        return MemoryStore()

    async def stop(self) -> None: ...


class SQLiteEngine:
    restorable = True
    durable = True
    reads_the_past_later = False

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self) -> Store:
        return await SQLiteStore.open(self.path / "state" / "store.db")

    async def stop(self) -> None: ...


class EncryptedEngine:
    """Another engine, some of whose keys are encrypted."""

    def __init__(self, inner: Engine) -> None:
        self.durable, self.reads_the_past_later = inner.durable, inner.reads_the_past_later
        self.restorable = inner.restorable
        self._inner = inner

    async def open(self) -> Store:
        key = GCM("key1", bytes(32))
        return EncryptedStore(await self._inner.open(), [Rule("/p/", (key, Identity())), Rule("/a", (key, Identity()))])

    async def stop(self) -> None:
        await self._inner.stop()


class EtcdServer:
    """A server of its own on the loopback, for all tests of a session; each test has keys of its own below a root."""

    def __init__(self, folder: Path) -> None:
        self._roots = 0
        for attempt in range(5):
            if self._start(folder / str(attempt)):
                return
            self.stop()  # somebody may have taken one of the ports that were free
        raise AssertionError((folder / "4" / "log").read_text())

    def _start(self, folder: Path) -> bool:
        """Whether it serves."""
        folder.mkdir()
        peer, client = _free_ports()
        self.address = f"127.0.0.1:{client}"
        command = ["etcd", "--data-dir", str(folder / "data"), "--log-level", "info", "--logger", "zap"]
        command += [
            "--listen-client-urls",
            f"http://{self.address}",
            "--advertise-client-urls",
            f"http://{self.address}",
        ]
        command += ["--listen-peer-urls", f"http://127.0.0.1:{peer}", "--unsafe-no-fsync"]
        command += ["--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"]
        command += ["--initial-cluster", f"default=http://127.0.0.1:{peer}"]
        self._output = (folder / "log").open("w+b")
        self._process = subprocess.Popen(command, stdout=self._output, stderr=self._output)
        for _ in range(600):
            if b"serving client traffic" in (folder / "log").read_bytes():
                return True
            if self._process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        return False

    def new_root(self) -> str:
        self._roots += 1
        return f"/test{self._roots}"

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._output.close()


def _free_ports() -> tuple[int, int]:
    """Two that nobody has at this moment."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


class EtcdEngine:
    restorable = False
    durable = True
    reads_the_past_later = True

    def __init__(self, server: EtcdServer) -> None:
        self._address = server.address
        self._root = server.new_root()

    async def open(self) -> Store:
        return await EtcdStore.open(Endpoint(self._address), self._root)

    async def stop(self) -> None: ...


class Collector:
    """A sink that tests can wait on."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.error: StoreError | None = None
        self._changed = asyncio.Event()

    def events(self, batch: Sequence[Event]) -> None:
        assert batch
        self.seen += batch
        self._changed.set()

    def ended(self, error: StoreError) -> None:
        assert self.error is None
        self.error = error
        self._changed.set()

    async def wait_ended(self) -> StoreError:
        while self.error is None:
            self._changed.clear()
            await self._changed.wait()
        return self.error

    async def caught_up(self, watch: Watch) -> list[Event]:
        """What was seen once the watch has caught up; then forgotten."""
        await watch.catch_up()
        seen, self.seen = self.seen, []
        return seen
