"""Ending everything a node's containerd ever started, and leaving the machine as it was found.

Works from what the kernel tells (processes, mounts, cgroups), so it also cleans up after a containerd that was killed.
Blocking: call it in a thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from pilothouse.kit.clock import SystemClock, pause
from pilothouse.runtime.containerd.config import ContainerdPaths

CLOCK = SystemClock()

CGROUP_ROOT = Path("/sys/fs/cgroup")
SHIM_SOCKETS = Path("/run/containerd/s")
CNI_CACHE = Path("/var/lib/cni")
_MNT_DETACH = 2
_PATIENCE_SECONDS = 10.0


def processes_naming(text: str) -> list[int]:
    """Processes with `text` in their command line: containerd and its shims carry the paths of their socket."""
    found = []
    needle = text.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if Path(arguments[0].decode(errors="replace")).name.startswith("containerd") and needle in b"\0".join(
                    arguments
                ):
                    found.append(int(entry.name))
    return found


def cgroup_hierarchies() -> Iterator[Path]:
    """Where cgroups are made: the root with v2 alone, each controller's folder with v1."""
    if (CGROUP_ROOT / "cgroup.procs").exists():
        yield CGROUP_ROOT
        return
    with contextlib.suppress(OSError):
        yield from (p for p in CGROUP_ROOT.iterdir() if p.is_dir() and not p.is_symlink())


def cgroups_under(parent: str) -> list[Path]:
    """The folders of a cgroup and of all below it, in every hierarchy, deepest first."""
    found: list[Path] = []
    for hierarchy in cgroup_hierarchies():
        top = hierarchy / parent.lstrip("/")
        if top.is_dir():
            found += [Path(folder) for folder, _, _ in os.walk(top, topdown=False)]
    return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def members(groups: list[Path]) -> list[int]:
    """The processes in cgroups; zombies and threads of the kernel show up as 0 and are left out."""
    found: set[int] = set()
    for group in groups:
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return sorted(found - {0})


def remove_cgroups(parent: str) -> None:
    """Kill what is in the cgroup `parent`, then remove it."""
    end = CLOCK.monotonic() + _PATIENCE_SECONDS
    while (groups := cgroups_under(parent)) and CLOCK.monotonic() < end:
        kill_all(members(groups))
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
        if cgroups_under(parent):
            pause(0.02)


def mounts_under(folder: Path) -> list[str]:
    """Mount points below `folder`, the latest first."""
    prefix = f"{folder}/"
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split(" ")[4].encode().decode("unicode_escape")
        if point.startswith(prefix) or point == str(folder):
            points.append(point)
    return points[::-1]


def unmount_all(folder: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for point in mounts_under(folder):
        libc.umount2(os.fsencode(point), _MNT_DETACH)


def remove_tree(folder: Path) -> None:
    """Unmount and delete `folder`. What is still mounted is never deleted through."""
    unmount_all(folder)
    if not mounts_under(folder):
        shutil.rmtree(folder, ignore_errors=True)


def sandbox_ids(paths: ContainerdPaths) -> list[str]:
    """Every sandbox this containerd has files of."""
    folder = paths.root / "data/io.containerd.grpc.v1.cri/sandboxes"
    return [entry.name for entry in folder.iterdir()] if folder.is_dir() else []


def remove_cni_cache(ids: list[str]) -> None:
    """libcni keeps a file a sandbox and network in one place for all; take ours away, and the place if that was all."""
    with contextlib.suppress(OSError):
        for entry in (CNI_CACHE / "results").iterdir():
            if any(name in entry.name for name in ids):
                entry.unlink()
    for folder in (CNI_CACHE / "results", CNI_CACHE):
        with contextlib.suppress(OSError):
            folder.rmdir()


def remove_shim_sockets() -> None:
    """Shims leave their sockets when killed; those that nobody listens on are ours to remove, or were nobody's."""
    with contextlib.suppress(OSError):
        listening = Path("/proc/net/unix").read_text()
        for entry in SHIM_SOCKETS.iterdir():
            if str(entry) not in listening:
                entry.unlink()
        SHIM_SOCKETS.rmdir()
        SHIM_SOCKETS.parent.rmdir()


def end(paths: ContainerdPaths, cgroup_parent: str, *, remove: bool) -> None:
    """Kill containerd, its shims and containers; with `remove`, also delete what they kept on disk."""
    ids = sandbox_ids(paths)
    finish = CLOCK.monotonic() + _PATIENCE_SECONDS
    while (pids := processes_naming(str(paths.state))) and CLOCK.monotonic() < finish:
        kill_all(pids)
        pause(0.01)
    remove_cgroups(cgroup_parent)
    unmount_all(paths.state)
    if remove:
        remove_tree(paths.state)
        remove_tree(paths.root)
    remove_shim_sockets()
    remove_cni_cache(ids)
