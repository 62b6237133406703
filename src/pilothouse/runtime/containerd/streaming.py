"""Processes and connections inside containerd's pods."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pilothouse.runtime.containerd.channel import Channel
from pilothouse.runtime.generated import cri
from pilothouse.seams.runtime import ExecResult


class Streaming:
    """exec, attach and port-forward."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float | None) -> ExecResult:
        request = cri.ExecSyncRequest(
            container_id=container_id, cmd=tuple(command), timeout=math.ceil(timeout) if timeout else 0
        )
        found = await self._channel.call(cri.EXEC_SYNC, request, timeout + 2.0 if timeout else None)
        return ExecResult(found.stdout, found.stderr, found.exit_code)
