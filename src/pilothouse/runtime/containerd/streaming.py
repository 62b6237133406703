"""Processes and connections inside containerd's pods."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from pilothouse.kit.http.messages import ConnectionClosed
from pilothouse.runtime.containerd import dial
from pilothouse.runtime.containerd.channel import Channel
from pilothouse.runtime.containerd.session import PROTOCOL, open_session
from pilothouse.runtime.generated import cri
from pilothouse.seams.runtime import ExecResult, RuntimeFailure
from pilothouse.seams.streams import ByteStream, Session


class Streaming:
    """exec, attach and port-forward. Must run in the network namespace that containerd runs in: its streaming server
    listens on the loopback."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float | None) -> ExecResult:
        request = cri.ExecSyncRequest(
            container_id=container_id, cmd=tuple(command), timeout=math.ceil(timeout) if timeout else 0
        )
        found = await self._channel.call(cri.EXEC_SYNC, request, timeout + 2.0 if timeout else None)
        return ExecResult(found.stdout, found.stderr, found.exit_code)

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        request = cri.ExecRequest(
            container_id=container_id, cmd=tuple(command), tty=tty, stdin=stdin, stdout=True, stderr=not tty
        )
        return await self._session((await self._channel.call(cri.EXEC, request)).url, stdin=stdin, tty=tty)

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        request = cri.AttachRequest(container_id=container_id, tty=tty, stdin=stdin, stdout=True, stderr=not tty)
        return await self._session((await self._channel.call(cri.ATTACH, request)).url, stdin=stdin, tty=tty)

    async def _session(self, url: str, *, stdin: bool, tty: bool) -> Session:
        raw = await dial.upgrade(url, PROTOCOL)
        try:
            return await open_session(raw, stdin=stdin, tty=tty)
        except ConnectionClosed as error:
            await raw.close()
            raise RuntimeFailure(f"the runtime closed the stream: {error}") from None

    async def port_forward(self, sandbox_id: str, port: int) -> ByteStream:
        namespace = await self._network_namespace(sandbox_id)
        try:
            return await dial.into(namespace, port)
        except OSError as error:
            text = error.strerror or str(error)
            raise RuntimeFailure(
                f"failed to connect to localhost:{port} inside namespace of sandbox {sandbox_id}: {text.lower()}"
            ) from None

    async def _network_namespace(self, sandbox_id: str) -> str:
        """The file of a sandbox's network namespace, "" for one in the node's."""
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id, verbose=True)
        found = await self._channel.call(cri.POD_SANDBOX_STATUS, request)
        spec = json.loads(found.info.get("info", "{}")).get("runtimeSpec") or {}
        spaces = (spec.get("linux") or {}).get("namespaces") or ()
        return next((space.get("path", "") for space in spaces if space.get("type") == "network"), "")
