"""The HTTP server alone: requests per second of one core, and what idle connections take.

python -m bench.http_server [--requests 40000] [--idle 2000] [--loop uvloop|asyncio]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.messages import Answer, Request, Response
from pilothouse.kit.http.server import Server
from pilothouse.testing.http import AUTHORITY, SERVER_TLS

BODY = b"x" * 2500
CONNECTIONS = 32
REQUEST = (
    b"GET /api/v1/namespaces/default/pods/p HTTP/1.1\r\nHost: 127.0.0.1:6443\r\nUser-Agent: bench/v1\r\n"
    b"Authorization: Bearer abcdefghijklmnopqrstuvwxyz\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
)


def at_once(request: Request) -> Answer:
    return Response(200, BODY)


async def in_a_task(request: Request) -> Answer:
    return Response(200, BODY)


def runner(loop: str) -> Callable[[Any], Any]:
    if loop == "asyncio":
        return asyncio.run
    import uvloop

    return uvloop.run


def serve(handler: Any, secure: bool, loop: str, ports: Any) -> None:
    async def main() -> None:
        server = Server(handler, SystemClock())
        _, port = await server.listen("127.0.0.1", 0, SERVER_TLS if secure else None)
        ports.put(port)
        await asyncio.Event().wait()

    runner(loop)(main())


class Asker(asyncio.Protocol):
    """Asks again as soon as an answer is complete."""

    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.left, self.done = count, done
        self.size = self.got = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        if not self.size:
            self.size = data.index(b"\r\n\r\n") + 4 + len(BODY)
        self.got += len(data)
        if self.got < self.size:
            return
        self.got = 0
        self.left -= 1
        if self.left:
            self.transport.write(REQUEST)
        else:
            self.transport.close()
            self.done.set_result(None)


async def ask(port: int, requests: int, secure: bool) -> None:
    loop = asyncio.get_running_loop()
    context = tls.client_context(AUTHORITY.certificate) if secure else None
    waiting = []
    for _ in range(CONNECTIONS):
        done: asyncio.Future[None] = loop.create_future()
        asker = Asker(requests // CONNECTIONS, done)
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", port, ssl=context)
        waiting.append(done)
    await asyncio.gather(*waiting)


async def idle(port: int, count: int, measure: Callable[[], tuple[float, int]]) -> tuple[float, float]:
    """(bytes of memory a connection, share of a core)."""
    context = tls.client_context(AUTHORITY.certificate)
    _, before = measure()
    held = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for _ in range(count)]
    await asyncio.sleep(1)
    cpu, after = measure()
    await asyncio.sleep(5)
    share = (measure()[0] - cpu) / 5
    for _, writer in held:
        writer.close()
    return (after - before) / count, share


def measure_of(pid: int) -> tuple[float, int]:
    """(CPU seconds, resident bytes) of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--idle", type=int, default=2_000)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    for name, handler, secure in (
        ("TLS, answered at once", at_once, True),
        ("TLS, a task a request", in_a_task, True),
        ("no TLS, answered at once", at_once, False),
    ):
        ports: Any = multiprocessing.Queue()
        server = multiprocessing.Process(target=serve, args=(handler, secure, options.loop, ports), daemon=True)
        server.start()
        port, pid = ports.get(), server.pid or 0
        runner(options.loop)(ask(port, options.requests // 4, secure))
        cpu, begun = measure_of(pid)[0], time.perf_counter()
        runner(options.loop)(ask(port, options.requests, secure))
        used, took = measure_of(pid)[0] - cpu, time.perf_counter() - begun
        print(f"{name:26} {options.requests / used:8,.0f} /s of one core  ({options.requests / took:,.0f} /s here)")
        if name.startswith("TLS, answered") and options.idle:
            size, share = runner(options.loop)(idle(port, options.idle, lambda pid=pid: measure_of(pid)))
            print(f"{options.idle:,} idle connections       {size / 1024:6.0f} kB each, {share:.1%} of a core")
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
