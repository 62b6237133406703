"""Probes and hooks that all succeed, at once."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import ExecAction, GRPCAction, HTTPGetAction, TCPSocketAction
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.handlers import Outcome


class Succeeding:
    async def execute(self, container_id: str, action: ExecAction, seconds: float | None) -> Outcome:
        return Outcome(True)

    async def http_get(
        self,
        action: HTTPGetAction,
        container: AnyContainer,
        ip: str,
        seconds: float | None,
        *,
        any_status: bool = False,
    ) -> Outcome:
        return Outcome(True)

    async def tcp(self, action: TCPSocketAction, container: AnyContainer, ip: str, seconds: float | None) -> Outcome:
        return Outcome(True)

    async def grpc(self, action: GRPCAction, ip: str, seconds: float | None) -> Outcome:
        return Outcome(True)
