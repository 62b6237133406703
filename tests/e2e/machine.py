"""What a cluster may leave on a machine, listed: processes, namespaces, links, mounts, cgroups, nft rules, files."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess

from tests.e2e.cluster import Cluster


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _processes(marks: tuple[str, ...]) -> set[str]:
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if any(mark in line for mark in marks):
            found.add(line)
    return found


def _cgroups() -> set[str]:
    root = pathlib.Path("/sys/fs/cgroup")
    found = set()
    for path in root.rglob("*"):
        try:
            if path.is_dir():
                found.add(str(path))
        except OSError:
            continue  # a cgroup that goes away while we look
    return found


def snapshot(home: pathlib.Path) -> dict[str, set[str]]:
    """All of it, by sort. `home` is where clusters keep their files (PILOTHOUSE_HOME)."""
    links = json.loads(_run("ip", "-json", "link") or "[]")
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    return {
        "processes": _processes((str(home),)) | _processes(("containerd-shim", "pilothouse --daemon")),
        "network namespaces": set(_run("ip", "netns", "list").split()),
        "links": {link["ifname"] for link in links},
        "routes": set(_run("ip", "route").splitlines()),
        # the directory that `ip netns` itself mounts, once and for good
        "mounts": {line.split()[1] for line in mounts} - {"/run/netns"},
        "cgroups": _cgroups(),
        "nft rules": set(_run("nft", "list", "tables").splitlines()),
        "files": {str(p) for p in home.rglob("*")} | {str(p) for p in pathlib.Path("/run/netns").glob("*")},
    }


def added(before: dict[str, set[str]], after: dict[str, set[str]]) -> dict[str, list[str]]:
    """What is there after and was not before."""
    return {sort: sorted(after[sort] - before[sort]) for sort in after if after[sort] - before[sort]}


def kill_container(container_id: str) -> None:
    """SIGKILL from the node's side: inside, the first process of a container is safe from its own."""
    bare = container_id.rpartition("/")[2]
    killed = 0
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and bare in (entry / "cgroup").read_text():
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    assert killed, container_id


def kill_node(cluster: Cluster, node: str) -> None:
    """The end of a node: its process, containerd, shims and all containers die at once, with nobody told."""
    marks = (f"--daemon node {cluster.name} {node}", str(cluster.home / "run" / cluster.name / node))
    victims = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = (entry / "cgroup").read_text()
        except OSError:
            continue
        if any(mark in line for mark in marks) or f"/pilothouse-{cluster.name}-{node}/" in groups:
            victims.add(int(entry.name))
    assert len(victims) > 2, victims
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
