"""containerd as the runtime seam."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from pilothouse.kit.clock import Clock
from pilothouse.runtime.containerd import events, translate
from pilothouse.runtime.containerd.channel import Channel
from pilothouse.runtime.containerd.streaming import Streaming
from pilothouse.runtime.generated import cri
from pilothouse.runtime.images.archive import base_name
from pilothouse.runtime.network.cni import conflist
from pilothouse.seams import runtime as seam

_IMPORTED = re.compile(r"^unpacking (\S+) \(sha256:[0-9a-f]+\)", re.MULTILINE)
CTR_NAMESPACE = "k8s.io"
LISTED_TRIES = 200


class ContainerdSandboxes:
    """Sandboxes, containers and events through CRI."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel = channel
        self._clock = clock

    async def version(self) -> seam.RuntimeVersion:
        found = await self._channel.call(cri.VERSION, cri.VersionRequest(version="v1"), 5.0)
        return seam.RuntimeVersion(found.runtime_name, found.runtime_version.partition("~")[0])

    async def status(self) -> Sequence[seam.RuntimeCondition]:
        found = await self._channel.call(cri.STATUS, cri.StatusRequest(), 5.0)
        conditions = found.status.conditions if found.status else ()
        return [seam.RuntimeCondition(c.type, c.status, c.reason, c.message) for c in conditions]

    async def features(self) -> seam.RuntimeFeatures:
        found = await self._channel.call(cri.STATUS, cri.StatusRequest(), 5.0)
        return translate.features(found)

    async def run_sandbox(self, config: seam.SandboxConfig) -> str:
        request = cri.RunPodSandboxRequest(
            config=translate.sandbox_config(config), runtime_handler=config.runtime_handler
        )
        return (await self._channel.call(cri.RUN_POD_SANDBOX, request, 240.0)).pod_sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        with contextlib.suppress(seam.NotFound):
            await self._channel.call(cri.STOP_POD_SANDBOX, cri.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        with contextlib.suppress(seam.NotFound):
            await self._channel.call(cri.REMOVE_POD_SANDBOX, cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def sandbox(self, sandbox_id: str) -> seam.Sandbox:
        found = await self._channel.call(cri.POD_SANDBOX_STATUS, cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
        if found.status is None:
            raise seam.NotFound(f"sandbox {sandbox_id} has no status")
        return translate.sandbox_status(found.status)

    async def sandboxes(self) -> Sequence[seam.Sandbox]:
        found = await self._channel.call(cri.LIST_POD_SANDBOX, cri.ListPodSandboxRequest())
        return [translate.sandbox(item) for item in found.items]

    async def create_container(self, sandbox_id: str, config: seam.ContainerConfig, sandbox: seam.SandboxConfig) -> str:
        request = cri.CreateContainerRequest(
            pod_sandbox_id=sandbox_id,
            config=translate.container_config(config),
            sandbox_config=translate.sandbox_config(sandbox),
        )
        return (await self._channel.call(cri.CREATE_CONTAINER, request)).container_id

    async def start_container(self, container_id: str) -> None:
        await self._channel.call(cri.START_CONTAINER, cri.StartContainerRequest(container_id=container_id))

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        request = cri.StopContainerRequest(container_id=container_id, timeout=math.ceil(grace_seconds))
        with contextlib.suppress(seam.NotFound):
            await self._channel.call(cri.STOP_CONTAINER, request, grace_seconds + 120.0)

    async def remove_container(self, container_id: str) -> None:
        with contextlib.suppress(seam.NotFound):
            await self._channel.call(cri.REMOVE_CONTAINER, cri.RemoveContainerRequest(container_id=container_id))

    async def container(self, container_id: str) -> seam.Container:
        found = await self._channel.call(cri.CONTAINER_STATUS, cri.ContainerStatusRequest(container_id=container_id))
        if found.status is None:
            raise seam.NotFound(f"container {container_id} has no status")
        return translate.container_status(found.status, "")

    async def containers(self) -> Sequence[seam.Container]:
        found = await self._channel.call(cri.LIST_CONTAINERS, cri.ListContainersRequest())
        return [translate.container(item) for item in found.containers]

    async def update_resources(self, container_id: str, resources: seam.Resources) -> None:
        request = cri.UpdateContainerResourcesRequest(container_id=container_id, linux=translate.resources(resources))
        await self._channel.call(cri.UPDATE_CONTAINER_RESOURCES, request)

    async def reopen_log(self, container_id: str) -> None:
        await self._channel.call(cri.REOPEN_CONTAINER_LOG, cri.ReopenContainerLogRequest(container_id=container_id))

    def events(self) -> AsyncIterator[seam.RuntimeEvent]:
        return events.watch(self._channel, self._clock)

    async def container_stats(self) -> Sequence[seam.ContainerStats]:
        found = await self._channel.call(cri.LIST_CONTAINER_STATS, cri.ListContainerStatsRequest())
        return [translate.stats(item) for item in found.stats]


class ContainerdImages:
    """Images through CRI; archives through `ctr`, which is part of containerd."""

    def __init__(self, channel: Channel, clock: Clock, socket: Path) -> None:
        self._channel = channel
        self._clock = clock
        self._socket = socket

    async def images(self) -> Sequence[seam.Image]:
        found = await self._channel.call(cri.LIST_IMAGES, cri.ListImagesRequest())
        return [translate.image(item) for item in found.images]

    async def image(self, reference: str) -> seam.Image | None:
        request = cri.ImageStatusRequest(image=cri.ImageSpec(image=reference))
        found = await self._channel.call(cri.IMAGE_STATUS, request)
        return translate.image(found.image) if found.image else None

    async def pull(self, reference: str, auth: seam.RegistryAuth | None = None) -> str:
        given = (
            None
            if auth is None
            else cri.AuthConfig(
                username=auth.username,
                password=auth.password,
                auth=auth.auth,
                server_address=auth.server_address,
                identity_token=auth.identity_token,
                registry_token=auth.registry_token,
            )
        )
        request = cri.PullImageRequest(image=cri.ImageSpec(image=reference), auth=given)
        try:
            return (await self._channel.call(cri.PULL_IMAGE, request, None)).image_ref
        except seam.RuntimeUnavailable:
            raise
        except seam.RuntimeFailure as failure:
            raise seam.PullFailure(str(failure)) from None

    async def remove_image(self, reference: str) -> None:
        request = cri.RemoveImageRequest(image=cri.ImageSpec(image=reference))
        await self._channel.call(cri.REMOVE_IMAGE, request)

    async def load_archive(self, path: str) -> Sequence[str]:
        """An image of which the archive knows only a tag gets the file's own name."""
        command = ["ctr", "-a", str(self._socket), "-n", CTR_NAMESPACE, "images", "import"]
        if base := await asyncio.to_thread(base_name, path):
            command += ["--base-name", base]
        process = await asyncio.create_subprocess_exec(
            *command, path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, error = await process.communicate()
        except asyncio.CancelledError:  # it must not outlive us, nor its pipes the loop
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()
            raise
        if process.returncode:
            raise seam.RuntimeFailure(f"{path}: {error.decode(errors='replace').strip()}")
        names = list(dict.fromkeys(_IMPORTED.findall(out.decode(errors="replace"))))
        if not names:
            raise seam.RuntimeFailure(f"{path}: the archive names no image")
        await self._wait_listed(set(names))
        return names

    async def _wait_listed(self, names: set[str]) -> None:
        """CRI hears of new images by an event: a pod that asks at once must find them. A name that CRI writes in
        another way is not waited for longer than this."""
        for _ in range(LISTED_TRIES):
            if names <= {tag for image in await self.images() for tag in (*image.tags, *image.digests)}:
                return
            await self._clock.sleep(0.01)

    async def filesystem(self) -> seam.FilesystemUsage:
        found = await self._channel.call(cri.IMAGE_FS_INFO, cri.ImageFsInfoRequest())
        usage = found.image_filesystems[0] if found.image_filesystems else cri.FilesystemUsage()
        return seam.FilesystemUsage(
            mountpoint=usage.fs_id.mountpoint if usage.fs_id else "",
            used=usage.used_bytes.value if usage.used_bytes else 0,
            inodes_used=usage.inodes_used.value if usage.inodes_used else 0,
        )


class ContainerdRuntime(ContainerdSandboxes, ContainerdImages, Streaming):
    """`seams.runtime.Runtime` on a containerd that runs already (see `supervisor`)."""

    def __init__(self, socket: Path, cni_conf: Path, clock: Clock) -> None:
        channel = Channel(str(socket))
        ContainerdSandboxes.__init__(self, channel, clock)
        ContainerdImages.__init__(self, channel, clock, socket)
        Streaming.__init__(self, channel)
        self._cni_conf = cni_conf

    async def set_pod_cidr(self, cidr: str) -> None:
        target = self._cni_conf / "10-pilothouse.conflist"
        text = conflist(cidr, state=self._cni_conf.parent / "ipam")
        if not target.exists() or target.read_text() != text:
            draft = target.with_suffix(".draft")
            draft.write_text(text)
            draft.rename(target)
        await self._until(lambda conditions: all(c.status for c in conditions))

    async def _until(self, good: Callable[[Sequence[seam.RuntimeCondition]], bool]) -> None:
        async with self._clock.timeout(30.0):
            while not good(await self.status()):
                await self._clock.sleep(0.01)

    async def close(self) -> None:
        await self._channel.close()
