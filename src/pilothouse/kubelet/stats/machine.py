"""What the kernel says of networks and file systems. Blocking, and short."""

from __future__ import annotations

import os
from pathlib import Path

from pilothouse.kubelet.stats.model import Filesystem, Interface, Memory, Swap

DEFAULT_INTERFACE = "eth0"


def interfaces(process: int | str = "self", root: Path = Path("/proc")) -> list[Interface]:
    """The interfaces that a process sees, but the loopback; the default one first."""
    try:
        text = (root / str(process) / "net/dev").read_text()
    except OSError:
        return []
    return sorted(parse_interfaces(text), key=lambda one: (one.name != DEFAULT_INTERFACE, one.name))


def parse_interfaces(text: str) -> list[Interface]:
    """The rows of /proc/net/dev."""
    found = []
    for line in text.splitlines():
        name, colon, counters = line.partition(":")
        values = counters.split()
        if colon and len(values) >= 12 and name.strip() != "lo":
            numbers = [int(value) for value in values]
            found.append(Interface(name.strip(), *numbers[:4], *numbers[8:12]))
    return found


def filesystem(path: str, now: float, used: int | None = None) -> Filesystem | None:
    """The file system that `path` is on; `used` in place of all that is used there, where it is known better."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    capacity, available = facts.f_blocks * facts.f_frsize, facts.f_bavail * facts.f_frsize
    return Filesystem(
        time=now,
        used=(facts.f_blocks - facts.f_bfree) * facts.f_frsize if used is None else used,
        available=available,
        capacity=capacity,
        inodes=facts.f_files,
        inodes_free=facts.f_ffree,
        inodes_used=facts.f_files - facts.f_ffree,
    )


def memory(now: float, text: str | None = None) -> tuple[Memory, Swap]:
    """Of the whole machine, from /proc/meminfo."""
    text = Path("/proc/meminfo").read_text() if text is None else text
    rows = (line.split() for line in text.splitlines())
    table = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) >= 2 and row[1].isdigit()}
    total, available = table.get("MemTotal", 0), table.get("MemAvailable", 0)
    free, swap_free = table.get("MemFree", 0), table.get("SwapFree", 0)
    return (
        Memory(
            now,
            working_set=max(total - available, 0),
            usage=total - free,
            available=available,
            rss=table.get("AnonPages"),
            cache=table.get("Cached"),
        ),
        Swap(now, table.get("SwapTotal", 0) - swap_free, swap_free),
    )


def processes_limit() -> int | None:
    try:
        return int(Path("/proc/sys/kernel/pid_max").read_text())
    except (OSError, ValueError):
        return None
