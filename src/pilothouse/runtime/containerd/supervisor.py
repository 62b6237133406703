"""Starting a node's containerd, keeping it up, and ending it.

containerd is in a session of its own and outlives the node's process: a new one adopts what runs. Shims outlive
containerd in turn, so neither restart disturbs a container.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from pathlib import Path

from pilothouse.kit.clock import Clock
from pilothouse.runtime.containerd import leftovers
from pilothouse.runtime.containerd.client import ContainerdRuntime
from pilothouse.runtime.containerd.config import PAUSE_IMAGE, ContainerdPaths, render
from pilothouse.runtime.images import pause
from pilothouse.seams.runtime import RuntimeFailure

START_SECONDS = 30.0
RESTART_SECONDS = 0.2
CAP_SYS_RESOURCE = 24


class StartFailure(RuntimeFailure):
    """containerd did not come up; the text says why, from its log."""


def lacks_sys_resource() -> bool:
    """Whether this process may not lower an oom_score_adj."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return not int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1
    return True


def alive(pid: int, marker: str) -> bool:
    """Whether `pid` is a running process with `marker` in its command line (pids are used again). The line is empty for
    a moment within exec, and for ever in a zombie."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return marker.encode() in line or (not line and state not in "ZX")


class Supervisor:
    """One node's containerd. `cgroup_parent` is the cgroup that all its containers are put below."""

    def __init__(self, paths: ContainerdPaths, cgroup_parent: str, clock: Clock) -> None:
        self.paths = paths
        self.cgroup_parent = cgroup_parent
        self._clock = clock
        self.runtime = ContainerdRuntime(paths.socket, paths.cni_conf, clock)

    def pid(self) -> int | None:
        """The running containerd, None if there is none."""
        try:
            pid = int(self.paths.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if alive(pid, str(self.paths.config)) else None

    async def start(self) -> None:
        """Start containerd (or adopt the running one) and wait until it answers. Raises StartFailure."""
        if self.pid() is None:
            await asyncio.to_thread(self._spawn)
        await self._wait_ready()
        if await self.runtime.image(PAUSE_IMAGE) is None:
            archive = self.paths.state / "pause.tar"
            archive.write_bytes(pause.archive(PAUSE_IMAGE))
            await self.runtime.load_archive(str(archive))
            archive.unlink()

    def _spawn(self) -> None:
        paths = self.paths
        for folder in (paths.root, paths.state, paths.cni_conf):
            folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        text = render(paths, restrict_oom_score=lacks_sys_resource())
        paths.config.write_text(text)
        paths.socket.unlink(missing_ok=True)
        with paths.log.open("ab") as log:
            try:
                child = subprocess.Popen(
                    ["containerd", "--config", str(paths.config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                raise StartFailure(f"containerd cannot be started: {error}") from None
        paths.pid_file.write_text(f"{child.pid}\n")
        # Its end is heard of by pidfd, also of one that another process started: nobody waits for the child object.
        child.returncode = 0

    async def _wait_ready(self) -> None:
        try:
            async with self._clock.timeout(START_SECONDS):
                while True:
                    with contextlib.suppress(RuntimeFailure):
                        if self.paths.socket.exists():
                            await self.runtime.version()
                            return
                    if self.pid() is None:
                        raise StartFailure(f"containerd ended while starting: {self._last_words()}")
                    await self._clock.sleep(0.01)
        except TimeoutError:
            raise StartFailure(f"containerd did not answer in {START_SECONDS:.0f} s: {self._last_words()}") from None

    def _last_words(self) -> str:
        try:
            lines = self.paths.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return "it wrote no log"
        return lines[-1][:500] if lines else "its log is empty"

    async def watch(self) -> None:
        """Start containerd again whenever it ends; never returns."""
        while True:
            pid = self.pid()
            if pid is not None:
                await ended(pid)
            await self._clock.sleep(RESTART_SECONDS)
            with contextlib.suppress(StartFailure):
                await self.start()

    async def stop(self, *, remove: bool) -> None:
        """End containerd with every container of this node; with `remove`, delete its files too."""
        await self.runtime.close()
        await asyncio.to_thread(leftovers.end, self.paths, self.cgroup_parent, remove=remove)


async def ended(pid: int) -> None:
    """Return once process `pid` is gone, reaping it if it is a child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
        reap(pid)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def reap(pid: int) -> None:
    """Take note of a child's end; nothing if it is not ours or still runs."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
