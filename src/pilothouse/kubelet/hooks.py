"""Lifecycle hooks: what runs right after a container's start and before its end."""

from __future__ import annotations

from pilothouse.api.types.core.v1 import LifecycleHandler
from pilothouse.kit.clock import Clock
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.handlers import Actions, Outcome


class Hooks:
    """Runs hooks to their end; who must not wait for ever cancels."""

    def __init__(self, handlers: Actions, clock: Clock) -> None:
        self._handlers = handlers
        self._clock = clock

    async def run(self, hook: LifecycleHandler, container: AnyContainer, container_id: str, ip: str) -> Outcome:
        """Any answer to an HTTP request is good, whatever its status (upstream: lifecycle handlers)."""
        if hook.exec is not None:
            return await self._handlers.execute(container_id, hook.exec, None)
        if hook.http_get is not None:
            return await self._handlers.http_get(hook.http_get, container, ip, None, any_status=True)
        if hook.sleep is not None:
            await self._clock.sleep(float(hook.sleep.seconds))
        return Outcome(True)
