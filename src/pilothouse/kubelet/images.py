"""Images for containers: pull policy, back-off after failures, and what the events say."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pilothouse.api.types.core.v1 import Pod, Secret
from pilothouse.kit.clock import Clock
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.podworker.restarts import BackOff, next_back_off
from pilothouse.kubelet.pull_secrets import credentials
from pilothouse.kubelet.recorder import Recorder
from pilothouse.seams.runtime import Image, ImageRuntime, RegistryAuth, RuntimeFailure

_DOMAIN = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_NAME = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
REFERENCE = re.compile(
    rf"^(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]+)?/)?{_NAME}(?:/{_NAME})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$"
)
RETRY_SECONDS = 1.0
Secrets = Callable[[], Awaitable[Sequence[Secret]]]


@dataclass
class ImageFailure(Exception):
    """No image: the container waits with `reason` and `message`, and may try again after `retry_after` seconds."""

    reason: str
    message: str
    retry_after: float


class ImageManager:
    """Finds or fetches images; several containers that want the same one share a pull."""

    def __init__(self, runtime: ImageRuntime, recorder: Recorder, clock: Clock, scope: TaskScope) -> None:
        self._runtime = runtime
        self._recorder = recorder
        self._clock = clock
        self._scope = scope
        self._back_off: dict[str, BackOff] = {}
        self._last_error: dict[str, str] = {}
        self._pulls: dict[tuple[str, tuple[RegistryAuth, ...]], asyncio.Task[RuntimeFailure | None]] = {}

    async def ensure(self, pod: Pod, container: AnyContainer, secrets: Secrets) -> Image:
        """The image that `container` is to run; `secrets` are asked for when it has to be pulled.
        Raises ImageFailure."""
        reference = container.image
        if not REFERENCE.match(reference):
            text = f'couldn\'t parse image name "{reference}": invalid reference format'
            self._warn(pod, container, "InspectFailed", f'Failed to apply default image tag "{reference}": {text}')
            raise self._failed(
                pod, container, "InvalidImageName", f'Failed to apply default image tag "{reference}": {text}'
            )
        try:
            present = await self._runtime.image(reference)
        except RuntimeFailure as error:
            text = f'Failed to inspect image "{reference}": {error}'
            self._warn(pod, container, "InspectFailed", text)
            raise self._failed(pod, container, "ImageInspectError", text) from None
        policy = container.image_pull_policy or default_policy(reference)
        if present is not None and policy != "Always":
            text = f'Container image "{reference}" already present on machine and can be accessed by the pod'
            self._recorder.pod(pod, "Normal", "Pulled", text, container.name)
            return present
        if policy == "Never":
            text = f'Container image "{reference}" is not present with pull policy of Never'
            self._warn(pod, container, "ErrImageNeverPull", text)
            raise self._failed(pod, container, "ErrImageNeverPull", text)
        return await self._pull(pod, container, secrets)

    async def _pull(self, pod: Pod, container: AnyContainer, secrets: Secrets) -> Image:
        reference = container.image
        key = f"{pod.metadata.uid}_{reference}"
        now = self._clock.now()
        last = self._back_off.get(key)
        if last is not None and now < last.since + last.delay:
            text = f'Back-off pulling image "{reference}": {self._last_error.get(key, "")}'
            self._recorder.pod(pod, "Normal", "BackOff", text, container.name)
            raise self._failed(pod, container, "ImagePullBackOff", text, last.since + last.delay - now)
        self._recorder.pod(pod, "Normal", "Pulling", f'Pulling image "{reference}"', container.name)
        begun = self._clock.monotonic()
        try:
            await self._shared_pull(reference, credentials(reference, await secrets()))
            found = await self._runtime.image(reference)
        except RuntimeFailure as error:
            self._back_off[key] = next_back_off(last, now, now)
            text = f'failed to pull image "{reference}": {error}'
            self._last_error[key] = f"ErrImagePull: {text}"
            self._warn(pod, container, "Failed", f'Failed to pull image "{reference}": {text}')
            raise self._failed(pod, container, "ErrImagePull", text) from None
        if found is None:
            raise self._failed(pod, container, "ErrImagePull", f'image "{reference}" vanished after its pull')
        took = f"{self._clock.monotonic() - begun:.3g}s"
        text = f'Successfully pulled image "{reference}" in {took} ({took} including waiting).'
        text += f" Image size: {found.size} bytes."
        self._recorder.pod(pod, "Normal", "Pulled", text, container.name)
        self._back_off.pop(key, None)
        return found

    async def _shared_pull(self, reference: str, keys: Sequence[RegistryAuth]) -> None:
        """Raises RuntimeFailure. Only pulls with the same credentials are shared."""
        key = (reference, tuple(keys))
        task = self._pulls.get(key)
        if task is None:
            task = self._scope.spawn(self._try_pull(reference, keys), f"pull/{reference}")
            self._pulls[key] = task
            task.add_done_callback(lambda _: self._pulls.pop(key, None))
        failure = await asyncio.shield(task)
        if failure is not None:
            raise failure

    async def _try_pull(self, reference: str, keys: Sequence[RegistryAuth]) -> RuntimeFailure | None:
        """The last failure, if none of the credentials (or no credentials at all) opened the registry."""
        failure: RuntimeFailure | None = None
        for key in keys or (None,):
            try:
                await self._runtime.pull(reference, key)
            except RuntimeFailure as error:
                failure = error
            else:
                return None
        return failure

    def _failed(
        self, pod: Pod, container: AnyContainer, reason: str, message: str, retry_after: float = RETRY_SECONDS
    ) -> ImageFailure:
        self._warn(pod, container, "Failed", f"Error: {reason}")
        slow = reason in ("ErrImageNeverPull", "InvalidImageName")
        return ImageFailure(reason, message, 10.0 if slow else retry_after)

    def _warn(self, pod: Pod, container: AnyContainer, reason: str, message: str) -> None:
        self._recorder.pod(pod, "Warning", reason, message, container.name)


def default_policy(reference: str) -> str:
    """What the API server would have filled in."""
    last = reference.rpartition("/")[2]
    tag = last.partition(":")[2]
    return "Always" if "@" not in last and tag in ("", "latest") else "IfNotPresent"
