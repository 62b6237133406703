"""A kubelet's server over a runtime made of pipes, and clients for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, cast

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import Container as ContainerSpec
from pilothouse.api.types.core.v1 import Pod, PodSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.http.client import ClientRequest, ClientResponse, dial, exchange
from pilothouse.kit.metrics import Registry
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.podworker.state import PodState
from pilothouse.kubelet.server.auth import KubeletAuth, ReviewFailed
from pilothouse.kubelet.server.host import HeldPod
from pilothouse.kubelet.server.server import KubeletServer
from pilothouse.kubelet.stats.model import Cpu, Memory, NodeUsage, Summary, Usage
from pilothouse.seams.runtime import (
    Container,
    ContainerState,
    FilesystemUsage,
    Runtime,
    RuntimeFailure,
    Sandbox,
    SandboxState,
)
from pilothouse.seams.streams import ExitStatus, StreamClosed
from pilothouse.testing.http import AUTHORITY, NOW, SERVER_TLS

API_SERVER = "kube-apiserver-kubelet-client"
CLIENT = tls.client_context(AUTHORITY.certificate, AUTHORITY.issue_client(API_SERVER, now=NOW))
NOBODY = tls.client_context(AUTHORITY.certificate)
STRANGER = tls.client_context(AUTHORITY.certificate, AUTHORITY.issue_client("somebody", now=NOW))


class Reviews:
    """`alice`'s token is "alice-token"; the API server may do all, others what `granted` says."""

    def __init__(self) -> None:
        self.granted: set[tuple[str, str, str]] = set()
        self.asked: list[tuple[str, ...]] = []
        self.reachable = True

    async def user_of(self, token: str) -> UserInfo | None:
        self.asked.append(("token", token))
        self._reach()
        return UserInfo(username="alice", groups=("system:authenticated",)) if token == "alice-token" else None

    async def allowed(self, user: UserInfo, verb: str, subresource: str) -> bool:
        self.asked.append((user.username, verb, subresource))
        self._reach()
        return user.username == API_SERVER or (user.username, verb, subresource) in self.granted

    def _reach(self) -> None:
        if not self.reachable:
            raise ReviewFailed("connection refused")


class Pipe:
    """What is written can be read, until closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)
        self._ended = False

    async def read(self) -> bytes:
        if self._ended:
            return b""
        data = await self._queue.get()
        self._ended = not data
        return data

    async def write(self, data: bytes) -> None:
        if self._ended:
            raise StreamClosed("ended")
        if data:
            await self._queue.put(data)

    async def close(self) -> None:
        await self._queue.put(b"")

    async def close_write(self) -> None:
        await self.close()


class Session:
    """`cat` with a voice: what comes in goes out, sizes go to stderr (or stdout), `exit N` ends it."""

    def __init__(self, stdin: bool, tty: bool, command: Sequence[str]) -> None:
        self.stdin = Pipe() if stdin else None
        self.stdout = Pipe()
        self.stderr = None if tty else Pipe()
        self.closed = False
        self._command = command
        self._working = asyncio.ensure_future(self._work())

    async def _work(self) -> ExitStatus:
        code = 0
        if self._command[:1] == ["say"]:
            await self.stdout.write(self._command[1].encode())
            if self.stderr is not None:
                await self.stderr.write(b"aside")
        elif self._command[:1] == ["exit"]:
            code = int(self._command[1])
        elif self.stdin is not None:
            while data := await self.stdin.read():
                await self.stdout.write(data)
        else:
            await asyncio.Event().wait()
        await self.stdout.close()
        if self.stderr is not None:
            await self.stderr.close()
        return ExitStatus(code)

    async def resize(self, width: int, height: int) -> None:
        await self.stdout.write(b"%dx%d" % (width, height))

    async def wait(self) -> ExitStatus:
        return await self._working

    async def close(self) -> None:
        self.closed = True
        self._working.cancel()


class Echo:
    """A pod's port: what is sent comes back; its end, too."""

    def __init__(self) -> None:
        self._pipe = Pipe()

    async def read(self) -> bytes:
        return await self._pipe.read()

    async def write(self, data: bytes) -> None:
        await self._pipe.write(data.upper())

    async def close_write(self) -> None:
        await self._pipe.close()

    async def close(self) -> None:
        return


class PipeRuntime:
    def __init__(self) -> None:
        self.sessions: list[Session] = []

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        if command[0] == "nosuch":
            raise RuntimeFailure("executable file not found")
        self.sessions.append(Session(stdin, tty, command))
        return self.sessions[-1]

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        self.sessions.append(Session(stdin, tty, ()))
        return self.sessions[-1]

    async def port_forward(self, sandbox_id: str, port: int) -> Echo:
        if port == 81:
            raise RuntimeFailure("connection refused")
        return Echo()

    async def container_stats(self) -> Sequence[Any]:
        return ()

    async def filesystem(self) -> FilesystemUsage:
        return FilesystemUsage("/", 1, 1)


class Host:
    """One pod `p` in `default` with container `c`; another, `gone`, has ended and not begun again."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.pipes = PipeRuntime()
        specs = (ContainerSpec(name="c"), ContainerSpec(name="w"))
        self.pod = Pod(metadata=ObjectMeta(name="p", namespace="default", uid="u1"), spec=PodSpec(containers=specs))
        self.state = PodState(self.pod)
        self.state.sandboxes["s"] = Sandbox("s", "p", "default", "u1", 0, SandboxState.READY, 0.0, {}, {})
        for attempt, state in ((0, ContainerState.EXITED), (1, ContainerState.RUNNING)):
            run = Container(
                f"c{attempt}", "s", "c", attempt, "i", "i", state, float(attempt), {}, {},
                log_path=str(logs / f"{attempt}.log"),
            )  # fmt: skip
            self.state.containers[run.id] = run

    @property
    def runtime(self) -> Runtime:
        return cast(Runtime, self.pipes)

    @property
    def node_name(self) -> str:
        return "n1"

    @property
    def options(self) -> NodeOptions:
        return NodeOptions("n1", "127.0.0.1", self.logs, "/n1")

    @property
    def probe_metrics(self) -> Registry:
        registry = Registry()
        registry.counter("prober_probe_total", "", ("result",)).labels("successful").inc()
        return registry

    async def usage(self) -> Summary:
        return Summary(1.0, NodeUsage("n1", 0.0, Usage(Cpu(1.0, 5), Memory(1.0, 7))), [])

    @property
    def log_root(self) -> Path | None:
        return self.logs

    def terminations(self) -> dict[tuple[str, ...], float]:
        return {("container", "139", "Error"): 2.0}

    def held(self) -> Sequence[HeldPod]:
        return [HeldPod(self.pod, self.state)]

    def find(self, namespace: str, name: str) -> HeldPod | None:
        return HeldPod(self.pod, self.state) if (namespace, name) == ("default", "p") else None


class Node:
    def __init__(self, host: Host, port: int, reviews: Reviews) -> None:
        self.host, self._port, self.reviews = host, port, reviews

    @contextlib.asynccontextmanager
    async def ask(
        self, target: str, *headers: tuple[bytes, bytes], method: str = "GET", context: Any = CLIENT
    ) -> AsyncIterator[ClientResponse]:
        stream = await dial("127.0.0.1", self._port, context, clock=SystemClock())
        request = ClientRequest(method, target.encode(), [(b"Host", b"n1"), *headers])
        async with exchange(stream, request) as response:
            yield response

    async def get(self, target: str, method: str = "GET") -> tuple[int, str]:
        async with self.ask(target, method=method) as response:
            return response.status, (await response.read(1 << 20)).decode()


@contextlib.asynccontextmanager
async def node(logs: Path) -> AsyncIterator[Node]:
    host = Host(logs)
    reviews = Reviews()
    server = KubeletServer(host, SystemClock(), KubeletAuth(reviews, SystemClock()))
    _, port = await server.listen("127.0.0.1", 0, SERVER_TLS)
    try:
        yield Node(host, port, reviews)
    finally:
        await server.close()
        for session in host.pipes.sessions:
            await session.close()
