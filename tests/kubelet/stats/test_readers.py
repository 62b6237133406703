"""Figures from files of the kernel, cgroup v1 and v2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pilothouse.kubelet.stats import cgroups, machine
from pilothouse.kubelet.stats.model import Cpu, Interface, Memory, Pressure, Swap, Usage

NOW = 100.0
V1 = {
    "cpuacct/a/cpuacct.usage": "5000000000\n",
    "cpu/a/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 7\n",
    "memory/a/memory.usage_in_bytes": "1000\n",
    "memory/a/memory.stat": "total_rss 300\ntotal_cache 400\ntotal_inactive_file 250\ntotal_swap 5\ntotal_pgfault 9\n"
    "total_pgmajfault 1\nhierarchical_memory_limit 2000\n",
    "pids/a/pids.current": "4\n",
    "pids/a/cgroup.procs": "12\n34\n",
}
V2 = {
    "cgroup.controllers": "cpu memory\n",
    "a/cpu.stat": "usage_usec 5000000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 7\n",
    "a/memory.current": "1000\n",
    "a/memory.max": "max\n",
    "a/memory.stat": "anon 300\nfile 400\ninactive_file 250\npgfault 9\npgmajfault 1\n",
    "a/memory.swap.current": "5\n",
    "a/pids.current": "4\n",
    "a/cgroup.procs": "12\n34\n",
    "a/cpu.pressure": "some avg10=1.50 avg60=0.50 avg300=0.10 total=123\n",
    "a/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"
    "full avg10=0.25 avg60=0.00 avg300=0.00 total=9\n",
}


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_version_1(tmp_path: Path) -> None:
    memory = Memory(NOW, 750, 1000, 1250, 300, 400, 9, 1, 2000)
    cpu = Cpu(NOW, 5_000_000_000, None, 10, 3, 7)
    assert cgroups.read("/a", NOW, tree(tmp_path, V1)) == Usage(cpu, memory, Swap(NOW, 5), 4)
    assert cgroups.processes("/a", tmp_path) == [12, 34]


def test_version_2_has_pressures(tmp_path: Path) -> None:
    memory = Memory(NOW, 750, 1000, None, 300, 400, 9, 1, None)
    cpu = Cpu(NOW, 5_000_000_000, None, 10, 3, 7000)
    pressure = {
        "cpu": Pressure((1.5, 0.5, 0.1, 123), (0.0, 0.0, 0.0, 0)),
        "memory": Pressure((0.0, 0.0, 0.0, 1), (0.25, 0.0, 0.0, 9)),
    }
    assert cgroups.read("/a", NOW, tree(tmp_path, V2)) == Usage(cpu, memory, Swap(NOW, 5), 4, pressure)
    assert cgroups.processes("/a", tmp_path) == [12, 34]


@pytest.mark.parametrize("files", [{}, {"cgroup.controllers": ""}, {"cpuacct/b/cpuacct.usage": "1"}])
def test_a_cgroup_that_is_not_there(tmp_path: Path, files: Mapping[str, str]) -> None:
    assert cgroups.read("/a", NOW, tree(tmp_path, files)) is None
    assert cgroups.processes("/a", tmp_path) == []


def test_interfaces() -> None:
    text = """Inter-|   Receive                      |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:  100    1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
  eth0: 2000   20    1    2    0     0          0         0     3000      30    3    4    0     0       0          0
"""
    assert machine.parse_interfaces(text) == [Interface("eth0", 2000, 20, 1, 2, 3000, 30, 3, 4)]


def test_the_machines_memory() -> None:
    text = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nCached: 300 kB\nAnonPages: 200 kB\n"
    text += "SwapTotal: 50 kB\nSwapFree: 20 kB\n"
    memory, swap = machine.memory(NOW, text)
    assert (memory.working_set, memory.usage, memory.available) == (400 << 10, 900 << 10, 600 << 10)
    assert swap == Swap(NOW, 30 << 10, 20 << 10)
