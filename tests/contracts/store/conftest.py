from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pilothouse.seams.store import Store

from .engines import EncryptedEngine, Engine, EtcdEngine, EtcdServer, MemoryEngine, SQLiteEngine


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    if shutil.which("etcd") is None:
        pytest.skip("no etcd here (Debian: etcd-server)")
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    yield server
    server.stop()


@pytest_asyncio.fixture(params=["memory", "sqlite", "etcd", "encrypted"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    made: Engine
    if request.param == "memory":
        made = MemoryEngine()
    elif request.param == "sqlite":
        made = SQLiteEngine(tmp_path)
    elif request.param == "encrypted":
        made = EncryptedEngine(SQLiteEngine(tmp_path))
    else:
        made = EtcdEngine(request.getfixturevalue("etcd"))
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    opened = await engine.open()
    yield opened
    await opened.close()
