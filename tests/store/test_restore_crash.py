"""A process that ends in the middle of a restore leaves the store as it was."""

from __future__ import annotations

import pathlib
import subprocess
import sys

from pilothouse.store.sqlite import SQLiteStore

_SCRIPT = """
import asyncio, os, pathlib, sys
from pilothouse.seams.store import KeyValue
from pilothouse.store.sqlite import SQLiteStore

class Deadly:
    revision = 10_000
    async def pieces(self):
        # More than SQLite keeps in memory: a part of it has reached the journal.
        for first in range(1, 5001, 500):
            yield [KeyValue(f"/new/{n}", b"x" * 4000, n, n) for n in range(first, first + 500)]
        os._exit(9)

async def main():
    store = await SQLiteStore.open(pathlib.Path(sys.argv[1]))
    await store.restore(Deadly())

asyncio.run(main())
"""


def die_in_a_restore(path: pathlib.Path) -> int:
    return subprocess.run([sys.executable, "-c", _SCRIPT, str(path)], check=False).returncode


async def test_a_crash_in_the_middle_leaves_the_old_state(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "store.db"
    store = await SQLiteStore.open(path)
    revisions = [await store.create(f"/old/{n}", b"%d" % n) for n in range(10)]
    before = list((await store.range("")).items)
    await store.close()
    assert die_in_a_restore(path) == 9
    store = await SQLiteStore.open(path)
    assert list((await store.range("")).items) == before
    assert await store.compacted() == 0
    assert await store.create("/later", b"") == revisions[-1] + 1
    await store.close()
