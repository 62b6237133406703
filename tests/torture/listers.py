"""Two hundred clients that list again and again, in a process of their own.

    python listers.py PORT AUTHORITY-FILE TOKEN PATH CLIENTS

Prints a line `ANSWERS REFUSALS WITHOUT-RETRY-AFTER` when its standard input ends.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections import Counter

import uvloop

from tests.torture.client import Client, Lost


async def listing(client: Client, path: str, counts: Counter[str]) -> None:
    while True:
        try:
            status, headers = await client.skim(path)
        except Lost:
            counts["lost"] += 1
            await asyncio.sleep(0.1)
            continue
        counts["refused" if status == 429 else "answered" if status == 200 else f"status {status}"] += 1
        if status == 429:
            counts["bare"] += "retry-after" not in headers
            await asyncio.sleep(0.2)


async def main(port: str, authority: str, token: str, path: str, clients: str) -> None:
    counts: Counter[str] = Counter()
    context = ssl.create_default_context(cafile=authority)
    tasks = [
        asyncio.ensure_future(listing(Client(int(port), context, token), path, counts)) for _ in range(int(clients))
    ]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(dict(counts))


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
