"""What all pod workers of a node share."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubelet import configs
from pilothouse.kubelet.admission import Refusal
from pilothouse.kubelet.hooks import Hooks
from pilothouse.kubelet.probes.prober import Prober
from pilothouse.kubelet.recorder import Recorder
from pilothouse.kubelet.status.manager import StatusManager
from pilothouse.kubelet.sync.place import Place
from pilothouse.kubelet.sync.starting import Starter
from pilothouse.kubelet.volumes import gather
from pilothouse.kubelet.volumes.watches import ObjectWatches
from pilothouse.machinery.client.interface import Client
from pilothouse.seams.runtime import Container, ContainerState, NotFound, Runtime, RuntimeFailure

log = logging.getLogger(__name__)
RUNTIME_RETRY = 0.5


@dataclass(frozen=True, slots=True)
class Shop:
    """What all workers of a node share. `created(id, uid)` hears whose container an id is; `over(uid)` that a pod is
    forgotten, `terminated(kind, exit code, reason)` that a container has ended. `resize(pod)` says why the node cannot
    give a pod that runs what it now asks for."""

    runtime: Runtime
    client: Client
    clock: Clock
    chance: Chance
    scope: TaskScope
    place: Place
    fetch: gather.Fetch
    watches: ObjectWatches
    starter: Starter
    hooks: Hooks
    prober: Prober
    statuses: StatusManager
    recorder: Recorder
    node: configs.NodeView
    created: Callable[[str, str], None]
    over: Callable[[str], None]
    terminated: Callable[[str, int, str], None]
    resize: Callable[[Pod], Refusal | None]

    @property
    def surroundings(self) -> gather.Surroundings:
        return gather.Surroundings(self.fetch, self.node.capacity, (self.node.options.address,))


async def observe(shop: Shop, container_id: str) -> Container | None:
    """A container as it now stands, with its last words if it has ended; None if it is gone."""
    while True:
        try:
            found = await shop.runtime.container(container_id)
        except NotFound:
            return None
        except RuntimeFailure as error:
            log.info("container %s: %s; asking again", container_id[:13], error)
            await shop.clock.sleep(RUNTIME_RETRY)
            continue
        if found.state is ContainerState.EXITED and (words := await shop.place.last_words(found)):
            return replace(found, message=words)
        return found
