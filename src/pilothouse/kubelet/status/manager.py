"""Sends the statuses of pods to the API: always the latest, never two at once for a pod, until the API has it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from http import HTTPStatus

from pilothouse.api.errors import StatusError
from pilothouse.api.types.core.v1 import Pod, PodStatus
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.status.difference import difference
from pilothouse.machinery.backoff import Backoff
from pilothouse.machinery.client.interface import CLIENT_ERRORS, Client, StrategicMergePatch

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    """`pod` is the newest object the API has shown; `wanted` what its status is to be."""

    pod: Pod
    wanted: PodStatus
    task: asyncio.Task[None] | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)


class StatusManager:
    """Give it every status as it is worked out; it finds out what to send."""

    def __init__(self, client: Client, clock: Clock, chance: Chance, scope: TaskScope) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._scope = scope
        self._entries: dict[str, _Entry] = {}

    def seen(self, pod: Pod) -> None:
        """The API has shown this object; a status that somebody else changed is put right."""
        entry = self._entries.get(pod.metadata.uid)
        if entry is not None and _version(pod) > _version(entry.pod):
            entry.pod = pod
            self._send(entry)

    def put(self, pod: Pod, status: PodStatus) -> None:
        """`status` is what the pod's is to be."""
        entry = self._entries.get(pod.metadata.uid)
        if entry is None:
            entry = self._entries[pod.metadata.uid] = _Entry(pod, status)
        entry.wanted = status
        self._send(entry)

    async def flush(self, uid: str) -> None:
        """Return when the API has the latest status of a pod (or has the pod no more)."""
        entry = self._entries.get(uid)
        if entry is not None:
            await entry.settled.wait()

    def forget(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is not None:
            entry.settled.set()

    def _send(self, entry: _Entry) -> None:
        if not difference(entry.pod.status, entry.wanted):
            if entry.task is None:
                entry.settled.set()
            return
        entry.settled.clear()
        if entry.task is None:
            entry.task = self._scope.spawn(self._work(entry), f"status/{entry.pod.metadata.name}")

    async def _work(self, entry: _Entry) -> None:
        backoff = Backoff(self._clock, self._chance)
        try:
            while body := difference(entry.pod.status, entry.wanted):
                meta = entry.pod.metadata
                patch = StrategicMergePatch({"metadata": {"uid": meta.uid}, "status": body})
                try:
                    answer = await self._client.patch(Pod, meta.name, meta.namespace, patch, subresource="status")
                except StatusError as error:
                    if error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
                        log.info("status of pod %s/%s is not wanted: %s", meta.namespace, meta.name, error)
                        return
                    await backoff.wait()
                except CLIENT_ERRORS as error:
                    log.info("status of pod %s/%s: %s; trying again", meta.namespace, meta.name, error)
                    await backoff.wait()
                else:
                    if _version(answer) >= _version(entry.pod):
                        entry.pod = answer
                    if difference(answer.status, entry.wanted) == body:
                        log.warning("the API keeps another status of pod %s/%s", meta.namespace, meta.name)
                        return
        finally:
            entry.task = None
            entry.settled.set()


def _version(pod: Pod) -> int:
    text = pod.metadata.resource_version
    return int(text) if text.isdigit() else 0
