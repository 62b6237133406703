"""The actions that probes and lifecycle hooks have in common: a command, an HTTP request, a connection, gRPC health."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from pilothouse.api import integers
from pilothouse.api.types.core.v1 import ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.seams.runtime import DeadlineExceeded, RuntimeFailure, StreamRuntime

USER_AGENT = "kube-probe/1.36"
HEAD_LIMIT = 64 << 10
REDIRECTS = 10
# HealthCheckResponse{status: SERVING}
_SERVING = b"\x08\x01"
_STATUS_NAMES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Outcome:
    success: bool
    output: str = ""


class BadPort(Exception):
    """A port name that the container does not have."""


def port_number(container: AnyContainer, port: int | str) -> int:
    """The number of a port, which may be given by name. Raises BadPort."""
    if isinstance(port, int):
        return port
    for declared in container.ports:
        if declared.name == port:
            return declared.container_port
    if (number := integers.port(port)) is not None:
        return number
    raise BadPort(f"couldn't find port: {port!r} in container {container.name!r}")


class Actions(Protocol):
    """What probes and hooks are carried out with; failures are outcomes, not exceptions. `seconds` None: no limit."""

    async def execute(self, container_id: str, action: ExecAction, seconds: float | None) -> Outcome: ...

    async def http_get(
        self,
        action: HTTPGetAction,
        container: AnyContainer,
        ip: str,
        seconds: float | None,
        *,
        any_status: bool = False,
    ) -> Outcome: ...

    async def tcp(
        self, action: TCPSocketAction, container: AnyContainer, ip: str, seconds: float | None
    ) -> Outcome: ...

    async def grpc(self, action: GRPCAction, ip: str, seconds: float | None) -> Outcome: ...


class Handlers:
    """The real actions, on the runtime and the pods' network."""

    def __init__(self, runtime: StreamRuntime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock

    async def execute(self, container_id: str, action: ExecAction, seconds: float | None) -> Outcome:
        try:
            result = await self._runtime.exec_sync(container_id, action.command, seconds)
        except DeadlineExceeded:
            return Outcome(False, f"command timed out: {' '.join(action.command)!r} timed out after {seconds:g}s")
        except RuntimeFailure as error:
            return Outcome(False, str(error))
        text = (result.stdout + result.stderr).decode(errors="replace")[:10240]
        return Outcome(result.exit_code == 0, text)

    async def http_get(
        self,
        action: HTTPGetAction,
        container: AnyContainer,
        ip: str,
        seconds: float | None,
        *,
        any_status: bool = False,
    ) -> Outcome:
        try:
            port = port_number(container, action.port)
        except BadPort as error:
            return Outcome(False, str(error))
        scheme, host = (action.scheme or "HTTP").lower(), action.host or ip
        path = action.path if action.path.startswith("/") else "/" + action.path
        headers = {h.name: h.value for h in action.http_headers}
        url = f"{scheme}://{host}:{port}{path}"
        try:
            async with self._clock.timeout(seconds):
                status = await self._follow(url, headers)
        except TimeoutError:
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return Outcome(False, f'Get "{url}": {text}')
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            return Outcome(False, f'Get "{url}": {_network_text(error, host, port)}')
        good = any_status or 200 <= status < 400
        return Outcome(good, "" if good else f"HTTP probe failed with statuscode: {status}")

    async def _follow(self, url: str, headers: dict[str, str]) -> int:
        """The status after redirects on the same host; one that leads elsewhere counts as good as it is."""
        for _ in range(REDIRECTS):
            status, location = await _get(url, headers)
            if status not in (301, 302, 303, 307, 308) or not location:
                return status
            target = urlsplit(location)
            if target.hostname not in (None, urlsplit(url).hostname):
                return status
            base = urlsplit(url)
            url = f"{target.scheme or base.scheme}://{target.netloc or base.netloc}{target.path or '/'}" + (
                f"?{target.query}" if target.query else ""
            )
        raise ValueError(f"stopped after {REDIRECTS} redirects")

    async def tcp(self, action: TCPSocketAction, container: AnyContainer, ip: str, seconds: float | None) -> Outcome:
        host = action.host or ip
        try:
            port = port_number(container, action.port)
        except BadPort as error:
            return Outcome(False, str(error))
        try:
            async with self._clock.timeout(seconds):
                _, writer = await asyncio.open_connection(host, port)
                writer.close()
        except TimeoutError:
            return Outcome(False, f"dial tcp {host}:{port}: i/o timeout")
        except OSError as error:
            return Outcome(False, _network_text(error, host, port))
        return Outcome(True)

    async def grpc(self, action: GRPCAction, ip: str, seconds: float | None) -> Outcome:
        # Here, since it is large and few nodes ever need it: simulated ones live in the control plane's process.
        import grpc
        import grpc.aio

        service = (action.service or "").encode()
        request = b"\x0a" + bytes([len(service)]) + service if service else b""
        async with grpc.aio.insecure_channel(f"{ip}:{action.port}") as channel:
            call = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                answer: bytes = await call(request, timeout=seconds, metadata=(("user-agent", USER_AGENT),))
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    text = f'timeout: failed to connect service "{ip}:{action.port}" within {seconds or 1:g}s'
                    return Outcome(False, text)
                return Outcome(False, f"error: health rpc failed: {error.details()}")
        if answer == _SERVING:
            return Outcome(True)
        name = _STATUS_NAMES.get(answer[1] if len(answer) > 1 else 0, "UNKNOWN")
        return Outcome(False, f'service unhealthy (responded with "{name}")')


async def _get(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """(status, Location) of a GET. The answer's body is not read."""
    parts = urlsplit(url)
    context = None
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=context, limit=HEAD_LIMIT)
    try:
        sent = {"Host": parts.netloc, "User-Agent": USER_AGENT, "Accept": "*/*", **headers, "Connection": "close"}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    finally:
        writer.close()
    words = head[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or (status := integers.integer(words[1])) is None:
        raise ValueError(f"malformed HTTP response {head[0]!r}")
    named = (line.partition(":") for line in head[1:])
    location = next((value.strip() for name, _, value in named if name.lower() == "location"), "")
    return status, location


def _network_text(error: Exception, host: str, port: int) -> str:
    """What Go's dialer says."""
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(error, asyncio.IncompleteReadError):
        return "EOF"
    if isinstance(error, ConnectionResetError):
        return "read: connection reset by peer"
    if isinstance(error, OSError) and error.strerror:
        return f"dial tcp {host}:{port}: connect: {error.strerror.lower()}"
    return str(error)
