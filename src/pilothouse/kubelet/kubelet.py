"""The kubelet: one node's pods, from the API to the runtime and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from pilothouse.api.types.core.v1 import Node, ObjectReference, Pod, Service
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet import cgroups
from pilothouse.kubelet import features as pod_features
from pilothouse.kubelet.configs import NodeView
from pilothouse.kubelet.fetch import ApiFetch
from pilothouse.kubelet.handlers import Actions, Handlers
from pilothouse.kubelet.hooks import Hooks
from pilothouse.kubelet.housekeeping import Housekeeper
from pilothouse.kubelet.images import ImageManager
from pilothouse.kubelet.names import parse_resolv_conf
from pilothouse.kubelet.node import facts
from pilothouse.kubelet.node.registrar import Registrar
from pilothouse.kubelet.node.status import Reading
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.probes.prober import Prober
from pilothouse.kubelet.recorder import field_path
from pilothouse.kubelet.status.manager import StatusManager
from pilothouse.kubelet.sync.place import Place
from pilothouse.kubelet.sync.pods import PodSet
from pilothouse.kubelet.sync.runtime_watch import RuntimeWatch
from pilothouse.kubelet.sync.shop import Shop
from pilothouse.kubelet.sync.starting import Starter
from pilothouse.kubelet.volumes.watches import ObjectWatches
from pilothouse.machinery.client.interface import Client
from pilothouse.machinery.events import Recorder as EventSender
from pilothouse.machinery.events import reference_to
from pilothouse.machinery.reflector import Reflector
from pilothouse.seams.runtime import Image, Runtime, RuntimeCondition, RuntimeFailure, RuntimeFeatures, RuntimeVersion

log = logging.getLogger(__name__)


class NodeRecorder:
    """Events of this node's kubelet."""

    def __init__(self, sender: EventSender, name: str) -> None:
        self._sender = sender
        self._about = ObjectReference(kind="Node", api_version="v1", name=name, uid=name)

    def pod(self, pod: Pod, type_: str, reason: str, message: str, container: str = "") -> None:
        self._sender.event(reference_to(pod, field_path(pod, container)), type_, reason, message)

    def node(self, type_: str, reason: str, message: str) -> None:
        self._sender.event(self._about, type_, reason, message)

    async def drained(self) -> None:
        """Return when the API has all that was told so far."""
        await self._sender.drained()


class Kubelet:
    """Everything of one node but its proxy and DNS. `services` are all Services, as the node's mirror has them;
    `actions` carry out probes and hooks (by default for real)."""

    def __init__(
        self,
        options: NodeOptions,
        client: Client,
        runtime: Runtime,
        place: Place,
        clock: Clock,
        chance: Chance,
        scope: TaskScope,
        *,
        services: Callable[[], Sequence[Service]],
        actions: Actions | None = None,
    ) -> None:
        self.options = options
        self._client = client
        self.runtime = runtime
        self._clock = clock
        self._chance = chance
        self._scope = scope
        # What fails for one pod in a way nobody thought of is told of, and must not end the node.
        self._pod_scope = TaskScope("pods", on_failure=_told)
        scope.spawn(_keep(self._pod_scope), "pods")
        self.recorder = NodeRecorder(EventSender("kubelet", client, clock, scope, host=options.name), options.name)
        self._capacity = facts.capacity(options)
        self._info = facts.system_info(RuntimeVersion("containerd", ""))
        self._features = RuntimeFeatures()
        self.registrar = Registrar(options, client, clock, chance, self.recorder, self._read)
        self.pods = PodSet(lambda: self.registrar.node, self.registrar.refresh)
        self._housekeeper = Housekeeper(self.pods)
        self._place = place
        self._attach(place, services, actions or Handlers(runtime, clock))

    def _attach(self, place: Place, services: Callable[[], Sequence[Service]], handlers: Actions) -> None:
        hooks = Hooks(handlers, self._clock)
        fetch = ApiFetch(self._client, self._clock)
        view = NodeView(
            self.options,
            parse_resolv_conf(_text(self.options.resolv_conf)),
            self._capacity,
            cgroups.unified(),
            pod_features.apparmor_enabled() if self.options.apparmor is None else self.options.apparmor,
            lambda: self._features,
        )
        self._watches = ObjectWatches(
            self._client, self._clock, self._chance, self._pod_scope, self.pods.volumes_changed
        )
        images = ImageManager(self.runtime, self.recorder, self._clock, self._pod_scope)
        starter = Starter(self.runtime, images, fetch, place, hooks, self.recorder, view, services=services)
        self.pods.attach(
            Shop(
                runtime=self.runtime,
                client=self._client,
                clock=self._clock,
                chance=self._chance,
                scope=self._pod_scope,
                place=place,
                fetch=fetch,
                watches=self._watches,
                starter=starter,
                hooks=hooks,
                prober=Prober(handlers, self.recorder, self._clock, self._pod_scope),
                statuses=StatusManager(self._client, self._clock, self._chance, self._pod_scope),
                recorder=self.recorder,
                node=view,
                created=self.pods.created,
                over=self._over,
                resize=self.pods.grants.resize,
                terminated=self.pods.terminated,
            )
        )
        self._fetch = fetch

    def _over(self, uid: str) -> None:
        self._fetch.forget(uid)
        self._watches.forget(uid)
        self.pods.over(uid)

    async def start(self) -> None:
        """Take stock of what runs, register, and begin; returns once the node's object is there."""
        options = self.options
        if options.pod_cidr:
            await self.runtime.set_pod_cidr(options.pod_cidr)
        self._info = facts.system_info(await self.runtime.version())
        self._features = await self.runtime.features()
        watch = RuntimeWatch(self.pods)
        await watch.inventory()
        self._scope.spawn(watch.run(), "runtime-events")
        await self.registrar.register()
        if await self._place.enforce_allocatable():
            self.recorder.node("Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods")
        self._scope.spawn(self.registrar.keep_lease(), "lease")
        self._scope.spawn(self.registrar.keep_status(), "node-status")
        mine = f"spec.nodeName={options.name}"
        reflector = Reflector(self._client, Pod, self.pods, self._clock, self._chance, field_selector=mine)
        self._scope.spawn(reflector.run(), "pods")
        me = Reflector(
            self._client,
            Node,
            self.registrar,
            self._clock,
            self._chance,
            field_selector=f"metadata.name={options.name}",
        )
        self._scope.spawn(me.run(), "node")
        self._scope.spawn(self.pods.refresh_volumes(), "volumes")
        self._scope.spawn(self._housekeeper.run(), "housekeeping")

    async def _read(self) -> Reading:
        runtime: Sequence[RuntimeCondition] = ()
        images: Sequence[Image] = ()
        problem = ""
        try:
            runtime = await self.runtime.status()
            self._features = await self.runtime.features()
            images = await self.runtime.images()
        except RuntimeFailure as error:
            problem = f"container runtime is down: {error}"
        return Reading(
            capacity=self._capacity,
            allocatable=facts.allocatable(self._capacity),
            info=self._info,
            runtime=runtime,
            features=self._features,
            images=images,
            pressures=self._housekeeper.pressures(),
            problem=problem,
        )

    def node(self) -> Node | None:
        """The node's own object, as last seen."""
        return self.registrar.node


def _told(name: str, failure: BaseException) -> None:
    """The scope has logged it with its traceback."""


async def _keep(scope: TaskScope) -> None:
    """Hold a scope open as long as this task lives."""
    async with scope:
        await asyncio.Event().wait()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
