"""What a node does beside its pods' lives: rotate logs, evict when it runs short, remove images nobody uses."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from pilothouse.kubelet import configs, eviction, image_gc
from pilothouse.kubelet.podworker.events import PodEvicted
from pilothouse.kubelet.podworker.state import Stage
from pilothouse.kubelet.sync.pods import PodSet
from pilothouse.kubelet.sync.worker import PodWorker
from pilothouse.seams.runtime import ContainerState, RuntimeFailure

log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0
IMAGE_SECONDS = 300.0
# After an eviction the pod is given this long to go before the next is chosen.
PATIENCE_SECONDS = 30.0


class Housekeeper:
    """One node's housekeeping; `pressures` is what its conditions tell."""

    def __init__(self, pods: PodSet) -> None:
        self._pods = pods
        self._pressures = eviction.Pressures()
        self._ages = image_gc.ImageAges()
        self._evicted_at = 0.0

    def pressures(self) -> Mapping[str, bool]:
        return self._pressures.held(self._pods.shop.clock.monotonic())

    def _active(self) -> list[PodWorker]:
        return [w for w in self._pods.workers.values() if w.machine.stage is Stage.SYNCING]

    async def run(self) -> None:
        """For ever."""
        shop = self._pods.shop
        images_at = shop.clock.monotonic() + IMAGE_SECONDS
        while True:
            await shop.clock.sleep(LOOK_SECONDS)
            try:
                await self._rotate_logs()
                await self._evict()
                if shop.clock.monotonic() >= images_at:
                    images_at = shop.clock.monotonic() + IMAGE_SECONDS
                    await self._remove_images()
            except RuntimeFailure as error:
                log.info("housekeeping is put off: %s", error)

    async def _rotate_logs(self) -> None:
        shop = self._pods.shop
        for worker in self._active():
            for container in worker.machine.state.running():
                if container.log_path and await shop.place.rotate_log(container.log_path):
                    await shop.runtime.reopen_log(container.id)

    async def _usage(self) -> dict[str, eviction.Usage]:
        """What each pod takes, by uid."""
        found: dict[str, eviction.Usage] = {}
        for stats in await self._pods.shop.runtime.container_stats():
            uid = stats.labels.get(configs.POD_UID, "")
            held = found.get(uid, eviction.Usage())
            found[uid] = eviction.Usage(
                held.memory + (stats.memory_working_set or 0), held.disk + (stats.writable_layer or 0)
            )
        return found

    async def _evict(self) -> None:
        shop = self._pods.shop
        await self._evict_spendthrifts()
        signals = await shop.place.signals()
        if signals is None:
            return
        found = eviction.shortages(signals)
        now = shop.clock.monotonic()
        self._pressures.note(found, now)
        if not found or now - self._evicted_at < PATIENCE_SECONDS:
            return
        shortage = found[0]
        shop.recorder.node("Warning", "EvictionThresholdMet", f"Attempting to reclaim {shortage.resource}")
        if shortage.resource != "memory" and await self._remove_images(everything=True):
            return
        usage = await self._usage()
        active = {w.uid: w for w in self._active()}
        chosen = eviction.victim([w.pod for w in active.values()], usage, shortage.resource)
        if chosen is not None:
            self._evicted_at = now
            uid = chosen.metadata.uid
            text = eviction.explanation(chosen, shortage, usage.get(uid, eviction.Usage()))
            self._end(active[uid], text, disruption=True)

    async def _evict_spendthrifts(self) -> None:
        """Pods that have written more than they may."""
        usage: dict[str, eviction.Usage] | None = None
        for worker in self._active():
            pod = worker.pod
            limited = any("ephemeral-storage" in c.resources.limits for c in pod.spec.containers or ())
            if not limited and not any(v.empty_dir and v.empty_dir.size_limit for v in pod.spec.volumes):
                continue
            if usage is None:
                usage = await self._usage()
            volumes = await self._pods.shop.place.written(pod)
            disk = sum(volumes.values()) + usage.get(worker.uid, eviction.Usage()).disk
            if text := eviction.over_limit(pod, volumes, disk, await self._layers(worker.uid)):
                self._end(worker, text)

    async def _layers(self, uid: str) -> dict[str, int]:
        """Bytes that a pod's containers have written into their own file systems, by name."""
        stats = await self._pods.shop.runtime.container_stats()
        return {one.name: one.writable_layer or 0 for one in stats if one.labels.get(configs.POD_UID) == uid}

    def _end(self, worker: PodWorker, message: str, *, disruption: bool = False) -> None:
        self._pods.shop.recorder.pod(worker.pod, "Warning", "Evicted", message)
        worker.post(PodEvicted("Evicted", message, 0, disruption))

    async def _remove_images(self, *, everything: bool = False) -> bool:
        """Remove images until there is room again; whether any went."""
        shop = self._pods.shop
        signals = await shop.place.signals()
        if signals is None:
            return False
        images, now = await shop.runtime.images(), shop.clock.monotonic()
        used = {c.image_ref for c in await shop.runtime.containers() if c.state is not ContainerState.EXITED}
        self._ages.note(images, used, now)
        missing = image_gc.to_free(signals.disk_capacity, signals.disk_available)
        if everything:
            missing = signals.disk_capacity
        gone = False
        for image in self._ages.removable(images, used, now):
            if missing <= 0:
                break
            if any("/pause:" in tag for tag in image.tags):
                continue
            await shop.runtime.remove_image(image.id)
            missing, gone = missing - image.size, True
        return gone
