"""The figures that every process tells of itself, under the names that all Prometheus clients use."""

from __future__ import annotations

import os
import pathlib

from pilothouse.kit import guard
from pilothouse.kit.metrics import Registry

_PROC = pathlib.Path("/proc/self")


def expose(registry: Registry) -> None:
    """Add them to `registry`; only failures and the time of the CPU where there is no /proc."""
    guard.expose(registry)

    def seconds() -> dict[tuple[str, ...], float]:
        times = os.times()
        return {(): times.user + times.system}

    told = "CPU seconds of this process, the kernel's part included."
    registry.read("process_cpu_seconds_total", told, seconds, kind="counter")
    if not (_PROC / "statm").exists():
        return
    page = os.sysconf("SC_PAGE_SIZE")

    def memory(at: int) -> float:
        return float((_PROC / "statm").read_text().split()[at]) * page

    registry.read("process_virtual_memory_bytes", "Bytes of address space.", lambda: {(): memory(0)})
    registry.read("process_resident_memory_bytes", "Bytes in memory.", lambda: {(): memory(1)})
    told = "Files that are open."
    registry.read("process_open_fds", told, lambda: {(): float(len(os.listdir(_PROC / "fd")))})
    told = "Files that may be open at once."
    registry.read("process_max_fds", told, lambda: {(): _most_files()})
    started = _started()
    told = "When this process began, in seconds since 1970."
    registry.read("process_start_time_seconds", told, lambda: {(): started})


def _most_files() -> float:
    line = next(line for line in (_PROC / "limits").read_text().splitlines() if line.startswith("Max open files"))
    soft = line.split()[3]
    return float("inf") if soft == "unlimited" else float(soft)


def _started() -> float:
    booted = next(
        float(line.split()[1]) for line in pathlib.Path("/proc/stat").read_text().splitlines() if "btime" in line
    )
    ticks = float((_PROC / "stat").read_text().rpartition(")")[2].split()[19])
    return booted + ticks / os.sysconf("SC_CLK_TCK")
