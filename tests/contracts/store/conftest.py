from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pilothouse.seams.store import Store

from .engines import Engine, MemoryEngine, SQLiteEngine


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    made: Engine = MemoryEngine() if request.param == "memory" else SQLiteEngine(tmp_path)
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    opened = await engine.open()
    yield opened
    await opened.close()
