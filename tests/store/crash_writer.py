"""A process that writes until it is killed: eight writers, each telling what it begins and what was acknowledged.

    python crash_writer.py STORE SEED COMPACT_TO

Lines: `B writer operation key value` before a write, `A writer revision` after its acknowledgement. One `write` call a
line, so that nothing that was told is lost with the process.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import random
import sys

from pilothouse.store.sqlite import SQLiteStore

WRITERS = 8


def tell(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def write_for_ever(store: SQLiteStore, writer: int, chance: random.Random) -> None:
    prefix = f"/writers/{writer}/"
    mine = {item.key: item.mod_revision for item in (await store.range(prefix)).items}
    while True:
        value = f"{chance.getrandbits(128):032x}" * chance.randrange(1, 120)
        if not mine or chance.random() < 0.5:
            key = f"{prefix}{chance.getrandbits(40):010x}"
            tell("B", writer, "create", key, value)
            mine[key] = await store.create(key, value.encode())
        elif chance.random() < 0.6:
            key = chance.choice(sorted(mine))
            tell("B", writer, "replace", key, value)
            mine[key] = await store.replace(key, value.encode(), mine[key])
        else:
            key = chance.choice(sorted(mine))
            tell("B", writer, "delete", key, "-")
            mine[key] = await store.delete(key, mine.pop(key))
            tell("A", writer, mine.pop(key))
            continue
        tell("A", writer, mine[key])


async def main(path: str, seed: int, compact_to: int) -> None:
    store = await SQLiteStore.open(pathlib.Path(path))
    work = [write_for_ever(store, n, random.Random(seed * 100 + n)) for n in range(WRITERS)]
    if compact_to > await store.compacted():
        work.append(store.compact(compact_to))
    await asyncio.gather(*work)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
