"""The node's disk and cgroups, as the sync's `Place`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.api.quantity import parse as quantity
from pilothouse.api.types.core.v1 import Pod
from pilothouse.kit.clock import Clock
from pilothouse.kubelet import cgroups, last_words, log_files
from pilothouse.kubelet.configs import log_folder
from pilothouse.kubelet.environment import AnyContainer
from pilothouse.kubelet.eviction import Signals
from pilothouse.kubelet.names import hostname, hosts_file, node_hosts_file
from pilothouse.kubelet.node import facts
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.qos_cgroups import QosCgroups
from pilothouse.kubelet.resources import HUGE_PAGES, cgroup_of, huge_page_limits, pod_resources
from pilothouse.kubelet.safepath import files, trees
from pilothouse.kubelet.stats import cgroups as usage
from pilothouse.kubelet.sync.place import ContainerPlace, HoldFailed
from pilothouse.kubelet.volumes import disk
from pilothouse.kubelet.volumes.model import Files, Shape, VolumeError
from pilothouse.kubelet.volumes.sub_paths import Binding, sub_path
from pilothouse.seams.runtime import Container, Mount, MountPropagation

log = logging.getLogger(__name__)
HOSTS, HOSTS_FILE = "/etc/hosts", "etc-hosts"
_PROPAGATION = {
    "HostToContainer": MountPropagation.HOST_TO_CONTAINER,
    "Bidirectional": MountPropagation.BIDIRECTIONAL,
}
# What is read of a file of variables (KEP-3721).
LARGEST_ENV_FILE = 64 << 10


class DiskPlace:
    """Pods' folders below `options.root`; blocking work is done in threads."""

    def __init__(self, options: NodeOptions, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._volumes: dict[str, dict[str, str]] = {}
        self._read_only: dict[str, frozenset[str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._capacity = facts.capacity(options)
        self._classes = QosCgroups(options.cgroup_parent, self._capacity)
        self._classes_lock = threading.Lock()

    async def enforce_allocatable(self) -> bool:
        def work() -> bool:
            with self._classes_lock:
                return self._classes.begin()

        return await asyncio.to_thread(work)

    async def prepare(self, pod: Pod, shapes: Mapping[str, Shape]) -> None:
        uid = pod.metadata.uid
        now = self._clock.now()
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y_%m_%d_%H_%M_%S") + f".{int(now % 1 * 1e9):09d}"
        context = pod.spec.security_context
        group = context.fs_group if context is not None else None
        folder = self._options.pod_folder(uid) / "volumes"
        first = uid not in self._volumes

        def work() -> dict[str, str]:
            if first:
                self._make_cgroup(pod)
                # There before the first container is, so that an agent which starts first finds it.
                self._options.log_links.mkdir(parents=True, exist_ok=True)
            memory = pod_resources(pod).memory_limit or self._capacity["memory"].integer()
            return disk.make_all(folder, shapes, stamp, group, memory)

        async with self._locks.setdefault(uid, asyncio.Lock()):
            self._volumes[uid] = await asyncio.to_thread(work)
        self._read_only[uid] = frozenset(name for name, shape in shapes.items() if isinstance(shape, Files))

    async def container(
        self,
        pod: Pod,
        container: AnyContainer,
        attempt: int,
        pod_ips: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> ContainerPlace:
        return await asyncio.to_thread(self._container, pod, container, attempt, pod_ips, environment)

    def _container(
        self,
        pod: Pod,
        container: AnyContainer,
        attempt: int,
        pod_ips: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> ContainerPlace:
        folder = self._options.pod_folder(pod.metadata.uid)
        log_files.prepare(self._options.logs / log_folder(pod) / container.name / f"{attempt}.log")
        mounts = self._volume_mounts(pod, container, environment)
        taken = {m.container_path for m in mounts}
        if HOSTS not in taken:
            mounts.append(Mount(HOSTS, _hosts(self._options, pod, folder, pod_ips)))
        message_file = ""
        path = container.termination_message_path
        if path and path not in taken:
            message_file = last_words.prepare(folder, container.name, attempt)
            mounts.append(Mount(path, message_file))
        return ContainerPlace(tuple(mounts), message_file)

    def _volume_mounts(self, pod: Pod, container: AnyContainer, environment: Mapping[str, str]) -> list[Mount]:
        uid = pod.metadata.uid
        held, read_only = self._volumes.get(uid, {}), self._read_only.get(uid, frozenset())
        found = []
        for index, mount in enumerate(container.volume_mounts):
            if mount.name not in held:
                raise VolumeError(f"cannot find volume {mount.name!r} to mount into container {container.name!r}")
            path = held[mount.name]
            relative = sub_path(mount, environment)
            if relative:
                path = Binding(self._options.pod_folder(uid), mount.name, container.name, index, path, relative).bind()
            found.append(
                Mount(
                    mount.mount_path if mount.mount_path.startswith("/") else "/" + mount.mount_path,
                    path,
                    readonly=mount.read_only or mount.name in read_only,
                    propagation=_PROPAGATION.get(mount.mount_propagation or "", MountPropagation.PRIVATE),
                )
            )
        return found

    async def hold(self, pod: Pod, resource: str) -> None:
        def work() -> None:
            with self._classes_lock:
                self._classes.put(pod)
            try:
                cgroups.change(cgroup_of(self._options.cgroup_parent, pod), pod_resources(pod), resource)
            except OSError as error:
                text = f"failed to write {error.filename}: {error.strerror}"
                raise HoldFailed(f"failed to set {resource} cgroup config of pod {pod.metadata.name}: {text}") from None

        await asyncio.to_thread(work)

    async def memory_used(self, pod: Pod, container_id: str = "") -> int | None:
        path = cgroup_of(self._options.cgroup_parent, pod) + (f"/{container_id}" if container_id else "")
        used = await asyncio.to_thread(usage.read, path, self._clock.now())
        return used.memory.usage if used is not None and used.memory is not None else None

    def _make_cgroup(self, pod: Pod) -> None:
        """One that is there from before the node's process began stays as it is: a resize may be under way."""
        with self._classes_lock:
            self._classes.put(pod)
        path = cgroup_of(self._options.cgroup_parent, pod)
        if not cgroups.exists(path):
            cgroups.apply(path, pod_resources(pod))
            sizes = [quantity(name.removeprefix(HUGE_PAGES)).integer() for name in facts.huge_pages()]
            cgroups.limit_huge_pages(path, huge_page_limits(pod), sizes)

    async def last_words(self, container: Container) -> str:
        return await asyncio.to_thread(last_words.last_words, container, self._options.pod_folder(""))

    async def remove(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        await asyncio.to_thread(self._remove, uid)
        self._volumes.pop(uid, None)
        self._locks.pop(uid, None)
        self._read_only.pop(uid, None)

    def _remove(self, uid: str) -> None:
        disk.remove(self._options.pod_folder(uid))
        with self._classes_lock:
            self._classes.drop(uid)
        for middle in ("", "/burstable", "/besteffort"):
            cgroups.remove(f"{self._options.cgroup_parent}/kubepods{middle}/pod{uid}")

    async def keep_only(self, uids: Collection[str]) -> None:
        def work() -> None:
            folder = self._options.pod_folder("")
            for left in folder.iterdir() if folder.is_dir() else ():
                if left.name not in uids:
                    try:
                        self._remove(left.name)
                    except VolumeError as error:
                        log.warning("what is left of pod %s stays: %s", left.name, error)
            for logs in (self._options.logs, self._options.log_links):
                logs.mkdir(parents=True, exist_ok=True)
            log_files.sweep(self._options.log_links)

        await asyncio.to_thread(work)

    async def link_log(self, pod: Pod, container: str, attempt: int, container_id: str) -> None:
        meta, logs = pod.metadata, self._options.logs / log_folder(pod)
        name = f"{meta.name}_{meta.namespace}_{container}-{container_id}"
        try:
            await asyncio.to_thread(log_files.link, self._options.log_links, name, logs / container / f"{attempt}.log")
        except OSError as error:
            log.warning("log agents do not see container %s: %s", name, error)

    async def remove_logs(self, pod: Pod) -> None:
        folder = self._options.logs / log_folder(pod)

        def work() -> None:
            log_files.unlink(self._options.log_links, str(folder))
            log_files.remove_folder(folder)

        try:
            await asyncio.to_thread(work)
        except OSError as error:
            log.warning("of the logs in %s something stays: %s", folder, error)

    async def remove_log(self, path: str) -> None:
        def work() -> None:
            log_files.unlink(self._options.log_links, path)
            log_files.remove(Path(path))

        await asyncio.to_thread(work)

    async def rotate_log(self, path: str) -> bool:
        stamp = datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y%m%d-%H%M%S")

        def work() -> bool:
            if not log_files.due(Path(path)):
                return False
            log_files.rotate(Path(path), stamp)
            return True

        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            log.warning("log %s is not rotated: %s", path, error)
            return False

    async def written(self, pod: Pod) -> Mapping[str, int]:
        held = self._volumes.get(pod.metadata.uid, {})
        on_disk = [v.name for v in pod.spec.volumes if v.empty_dir is not None and not v.empty_dir.medium]
        folders = {name: held[name] for name in on_disk if name in held}
        own = (self._options.logs / log_folder(pod), self._options.pod_folder(pod.metadata.uid) / last_words.FOLDER)

        def work() -> Mapping[str, int]:
            sizes = {name: trees.size(path) for name, path in folders.items()}
            return {**sizes, "": sum(trees.size(str(folder)) for folder in own)}

        return await asyncio.to_thread(work)

    async def read_file(self, pod: Pod, volume: str, path: str) -> bytes | None:
        held = self._volumes.get(pod.metadata.uid, {}).get(volume)
        return None if held is None else await asyncio.to_thread(_read_file, held, path)

    async def signals(self) -> Signals | None:
        return await asyncio.to_thread(facts.signals, self._options.root)


def _read_file(folder: str, path: str) -> bytes | None:
    """Raises VolumeError."""
    try:
        with files.folder(folder) as top:
            return files.read(top, path, LARGEST_ENV_FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise VolumeError(f"failed to open environment variable file {path!r}: {error.strerror}") from None


def _hosts(options: NodeOptions, pod: Pod, folder: Path, pod_ips: tuple[str, ...]) -> str:
    aliases = pod.spec.host_aliases
    if pod.spec.host_network:
        text = node_hosts_file(Path(HOSTS).read_text(), aliases)
    else:
        name, full = hostname(pod, options.cluster_domain)
        text = hosts_file(pod_ips, name, full, aliases)
    # Its inode stays: other containers of the pod have it mounted (and may have written anything into it).
    with files.folder(folder, make=0o750) as top:
        files.write(top, HOSTS_FILE, text.encode(), 0o644)
    return str(folder / HOSTS_FILE)
