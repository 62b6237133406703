"""What a cgroup has used, v1 and v2. Blocking, and short: files of the kernel. What it does not offer is None."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path

from pilothouse.kubelet.stats.model import Cpu, Memory, Pressure, Swap, Usage

ROOT = Path("/sys/fs/cgroup")
_PRESSURES = ("cpu", "memory", "io")


def read(path: str, now: float, root: Path = ROOT) -> Usage | None:
    """The figures of the cgroup `path` (absolute, below each hierarchy with v1); None if there is no such cgroup."""
    if (root / "cgroup.controllers").exists():
        return _read_v2(root / path.lstrip("/"), now)
    return _read_v1(root, path.lstrip("/"), now)


def processes(path: str, root: Path = ROOT) -> list[int]:
    """The ids of the processes directly in a cgroup, in no order."""
    below = root if (root / "cgroup.controllers").exists() else root / "pids"
    return [int(line) for line in _text(below / path.lstrip("/") / "cgroup.procs").split() if line.isdigit()]


def _read_v1(root: Path, path: str, now: float) -> Usage | None:
    used = _number(root / "cpuacct" / path / "cpuacct.usage")
    if used is None:
        return None
    throttling = _table(root / "cpu" / path / "cpu.stat")
    cpu = Cpu(
        now,
        used,
        periods=throttling.get("nr_periods"),
        throttled_periods=throttling.get("nr_throttled"),
        throttled_ns=throttling.get("throttled_time"),
    )
    folder = root / "memory" / path
    usage, table = _number(folder / "memory.usage_in_bytes"), _table(folder / "memory.stat")
    memory = swap = None
    if usage is not None:
        inactive = table.get("total_inactive_file", 0)
        names = ("total_rss", "total_cache", "total_pgfault", "total_pgmajfault")
        memory = _memory(
            now, usage, inactive, [table.get(name) for name in names], table.get("hierarchical_memory_limit")
        )
        swap = Swap(now, table["total_swap"]) if "total_swap" in table else None
    return Usage(cpu, memory, swap, _number(root / "pids" / path / "pids.current"))


def _read_v2(folder: Path, now: float) -> Usage | None:
    table = _table(folder / "cpu.stat")
    if "usage_usec" not in table:
        return None
    throttled = table.get("throttled_usec")
    cpu = Cpu(
        now,
        table["usage_usec"] * 1000,
        periods=table.get("nr_periods"),
        throttled_periods=table.get("nr_throttled"),
        throttled_ns=None if throttled is None else throttled * 1000,
    )
    usage, memory_table = _number(folder / "memory.current"), _table(folder / "memory.stat")
    memory = None
    if usage is not None:
        inactive = memory_table.get("inactive_file", 0)
        names = ("anon", "file", "pgfault", "pgmajfault")
        known = [memory_table.get(name) for name in names]
        memory = _memory(now, usage, inactive, known, _number(folder / "memory.max"))
    used = _number(folder / "memory.swap.current")
    swap = None if used is None else Swap(now, used)
    pressure = {name: told for name in _PRESSURES if (told := parse_pressure(_text(folder / f"{name}.pressure")))}
    return Usage(cpu, memory, swap, _number(folder / "pids.current"), pressure)


def _memory(now: float, usage: int, inactive: int, known: list[int | None], limit: int | None) -> Memory:
    """The working set is what cannot be given up at once: all but the pages of files that nobody uses."""
    rss, cache, faults, major_faults = known
    working_set = max(usage - inactive, 0)
    limit = None if limit is None or limit >= _machine_memory() else limit
    available = None if limit is None else max(limit - working_set, 0)
    return Memory(now, working_set, usage, available, rss, cache, faults, major_faults, limit)


def parse_pressure(text: str) -> Pressure | None:
    """A file such as memory.pressure: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`."""
    found: dict[str, tuple[float, float, float, int]] = {}
    for line in text.splitlines():
        which, *pairs = line.split()
        values = dict(pair.partition("=")[::2] for pair in pairs)
        if {"avg10", "avg60", "avg300", "total"} <= values.keys():
            averages = float(values["avg10"]), float(values["avg60"]), float(values["avg300"])
            found[which] = (*averages, int(values["total"]))
    if "some" not in found:
        return None
    return Pressure(found["some"], found.get("full", (0.0, 0.0, 0.0, 0)))


@functools.cache
def _machine_memory() -> int:
    """A limit of this and more is none: version 1 shows that of the machine, or of no limit at all."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 9 // 10


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _table(path: Path) -> Mapping[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
