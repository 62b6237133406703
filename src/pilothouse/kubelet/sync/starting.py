"""Starting one container: image, environment, mounts, create, start, postStart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pilothouse.api.types.core.v1 import ConfigMap, EphemeralContainer, Pod, Secret, Service
from pilothouse.kubelet import configs, features
from pilothouse.kubelet import environment as env
from pilothouse.kubelet.downward import UnknownField
from pilothouse.kubelet.hooks import Hooks
from pilothouse.kubelet.images import ImageFailure, ImageManager
from pilothouse.kubelet.podworker.events import ContainerFailed
from pilothouse.kubelet.recorder import Recorder
from pilothouse.kubelet.sync.place import Place
from pilothouse.kubelet.volumes.gather import Fetch
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.seams.runtime import Image, Mount, Runtime, RuntimeFailure, Sandbox

CONFIG_RETRY, CREATE_RETRY = 3.0, 3.0


class StartFailed(Exception):
    """The container does not run; `event` says why and when to try again."""

    def __init__(self, event: ContainerFailed) -> None:
        super().__init__(event.message)
        self.event = event


@dataclass(frozen=True, slots=True)
class Order:
    """Which container to start. `target_id`: whose processes an ephemeral one sees. `creating` is called when there is
    no way back: who gave up a create half-way could not know whether the container is there. `created` is told the new
    id before it is started, so that nothing that happens to it is missed."""

    pod: Pod
    container: env.AnyContainer
    attempt: int
    sandbox: Sandbox
    pod_ips: tuple[str, ...]
    target_id: str
    creating: Callable[[], None]
    created: Callable[[str], None]


class Starter:
    """Starts containers. Everything that takes time is done side by side."""

    def __init__(
        self,
        runtime: Runtime,
        images: ImageManager,
        fetch: Fetch,
        place: Place,
        hooks: Hooks,
        recorder: Recorder,
        node: configs.NodeView,
        *,
        services: Callable[[], Sequence[Service]],
    ) -> None:
        self._runtime = runtime
        self._images = images
        self._fetch = fetch
        self._place = place
        self._hooks = hooks
        self._recorder = recorder
        self._node = node
        self._services = services

    async def start(self, order: Order) -> str:
        """The id of the started container, whose postStart hook is still to be run. Raises StartFailed."""
        try:
            image, around = await asyncio.gather(
                self._images.ensure(order.pod, order.container, lambda: self._pull_secrets(order.pod)),
                self._surroundings(order),
            )
        except ImageFailure as failure:
            raise self._failed(order, failure.reason, failure.message, failure.retry_after) from None
        except VolumeError as error:
            raise self._told(order, "CreateContainerConfigError", str(error), CONFIG_RETRY) from None
        container_id = await self._create(order, image, around)
        order.created(container_id)
        self._tell(order, "Normal", "Created", "Container created")
        try:
            await self._runtime.start_container(container_id)
        except RuntimeFailure as error:
            raise self._told(order, "RunContainerError", error.plain, 0.0) from None
        await self._place.link_log(order.pod, order.container.name, order.attempt, container_id)
        self._tell(order, "Normal", "Started", "Container started")
        return container_id

    async def _create(self, order: Order, image: Image, around: env.Surroundings) -> str:
        pod, container = order.pod, order.container
        try:
            values = env.environment(pod, container, around)
            place = await self._place.container(pod, container, order.attempt, order.pod_ips, values)
            mounts = await self._with_read_only(pod, container, place.mounts)
            inputs = configs.ContainerInputs(image, values, mounts, order.attempt, place.message_file, order.target_id)
            config = configs.container_config(pod, container, self._node, inputs)
        except (env.ConfigError, UnknownField, VolumeError) as error:
            raise self._told(order, "CreateContainerConfigError", str(error), CONFIG_RETRY) from None
        sandbox = configs.sandbox_config(pod, self._node, order.sandbox.attempt)
        order.creating()
        try:
            return await self._runtime.create_container(order.sandbox.id, config, sandbox)
        except RuntimeFailure as error:
            raise self._told(order, "CreateContainerError", error.plain, CREATE_RETRY) from None

    async def _with_read_only(self, pod: Pod, container: env.AnyContainer, mounts: Sequence[Mount]) -> Sequence[Mount]:
        """The mounts, read-only all the way down where that was asked for. Raises ConfigError, VolumeError."""
        asked = {m.mount_path: m for m in container.volume_mounts if m.recursive_read_only not in (None, "Disabled")}
        if not asked:
            return mounts
        name = pod.spec.runtime_class_name
        chosen = await self._fetch.runtime_class(name) if name else None
        handler, able = chosen.handler if chosen is not None else "", self._node.features()

        def resolved(mount: Mount) -> Mount:
            wanted = asked.get(mount.container_path)
            if wanted is None:
                return mount
            recursive = features.recursive_read_only(wanted, mount.readonly, able, handler)
            return replace(mount, recursive_readonly=recursive)

        return [resolved(mount) for mount in mounts]

    async def _pull_secrets(self, pod: Pod) -> list[Secret]:
        """Those of the pod's pull secrets that there are; a missing one is told of and no obstacle by itself."""
        found = []
        for reference in pod.spec.image_pull_secrets:
            secret = await self._fetch.secret(pod.metadata.namespace, reference.name)
            if secret is not None:
                found.append(secret)
            else:
                text = (
                    f"Unable to retrieve some image pull secrets ({reference.name}); "
                    "attempting to pull the image may not succeed."
                )
                self._recorder.pod(pod, "Warning", "FailedToRetrieveImagePullSecret", text)
        return found

    async def _surroundings(self, order: Order) -> env.Surroundings:
        namespace = order.pod.metadata.namespace
        wanted = list(dict.fromkeys(env.references(order.container)))
        maps: dict[str, ConfigMap | None] = {}
        secrets: dict[str, Secret | None] = {}
        for kind, name in wanted:
            if kind == "ConfigMap":
                maps[name] = await self._fetch.config_map(namespace, name)
            else:
                secrets[name] = await self._fetch.secret(namespace, name)
        return env.Surroundings(
            pod_ips=order.pod_ips,
            host_ips=(self._node.options.address,),
            services=self._services(),
            config_maps=maps,
            secrets=secrets,
            env_files=await self._env_files(order),
            allocatable=self._node.capacity,
        )

    async def _env_files(self, order: Order) -> dict[tuple[str, str], bytes | None]:
        """The files of the pod's volumes that variables are taken from."""
        return {
            (volume, path): await self._place.read_file(order.pod, volume, path)
            for volume, path in dict.fromkeys(env.env_files(order.container))
        }

    async def post_start(self, order: Order, container_id: str) -> None:
        """Run the postStart hook of a container that was started. Raises StartFailed; then it is to be ended again."""
        lifecycle = order.container.lifecycle
        if lifecycle is None or lifecycle.post_start is None:
            return
        ip = order.pod_ips[0] if order.pod_ips else self._node.options.address
        outcome = await self._hooks.run(lifecycle.post_start, order.container, container_id, ip)
        if outcome.success:
            return
        self._tell(order, "Warning", "FailedPostStartHook", "PostStartHook failed")
        self._tell(order, "Normal", "Killing", "FailedPostStartHook")
        raise self._failed(order, "PostStartHookError", f"PostStartHook failed: {outcome.output}", 0.0)

    def _told(self, order: Order, reason: str, message: str, retry_after: float) -> StartFailed:
        self._tell(order, "Warning", "Failed", f"Error: {message}")
        return self._failed(order, reason, message, retry_after)

    def _failed(self, order: Order, reason: str, message: str, retry_after: float) -> StartFailed:
        return StartFailed(ContainerFailed(order.container.name, reason, message, retry_after))

    def _tell(self, order: Order, type_: str, reason: str, message: str) -> None:
        self._recorder.pod(order.pod, type_, reason, message, order.container.name)


def target_of(container: env.AnyContainer) -> str:
    """The name of the container whose processes an ephemeral one is to see; "" for none."""
    return container.target_container_name if isinstance(container, EphemeralContainer) else ""


Values = Mapping[str, str]
