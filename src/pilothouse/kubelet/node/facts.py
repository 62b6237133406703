"""What the machine under a node is and has."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pilothouse import KUBERNETES_VERSION
from pilothouse.api.quantity import Quantity, make, parse
from pilothouse.api.types.core.v1 import NodeSwapStatus, NodeSystemInfo
from pilothouse.kubelet.eviction import Signals
from pilothouse.kubelet.options import NodeOptions
from pilothouse.seams.runtime import RuntimeVersion

HUGE_PAGES = Path("/sys/kernel/mm/hugepages")
ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture() -> str:
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def memory_bytes() -> int:
    """All memory of the machine."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 8 << 30


def swap_bytes() -> int:
    """All swap of the machine; 0 without."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("SwapTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def huge_pages(root: Path = HUGE_PAGES) -> dict[str, int]:
    """Bytes of memory that the kernel has set aside in huge pages, by the resource's name (hugepages-2Mi)."""
    found = {f"hugepages-{size}": 0 for size in ("1Gi", "2Mi")}
    for folder in root.iterdir() if root.is_dir() else ():
        size = int(folder.name.removeprefix("hugepages-").removesuffix("kB")) * 1024
        name = f"hugepages-{make(Decimal(size), 'binary')}"
        found[name] = size * int(_read(str(folder / "nr_hugepages")) or 0)
    return found


def memory_available() -> int:
    """What programs may still take without swapping."""
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return memory_bytes()


def signals(root: Path) -> Signals:
    """What the machine has left, on the file system of `root` (which may not exist yet)."""
    place = root if root.exists() else Path("/")
    disk, inodes = shutil.disk_usage(place), os.statvfs(place)
    return Signals(
        memory_available=memory_available(),
        disk_available=disk.free,
        disk_capacity=disk.total,
        inodes_free=inodes.f_favail,
        inodes=inodes.f_files,
    )


def capacity(options: NodeOptions) -> dict[str, Quantity]:
    """What the node has, in the API's terms; `options.capacity` overrides."""
    root = options.root if options.root.exists() else Path("/")
    found = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory_bytes() // 1024}Ki",
        "ephemeral-storage": f"{shutil.disk_usage(root).total // 1024}Ki",
        "pods": str(options.max_pods),
        **{name: str(make(Decimal(size), "binary")) for name, size in huge_pages().items()},
    }
    return {name: parse(text) for name, text in {**found, **options.capacity}.items()}


def allocatable(total: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """What pods may have of it: all but the memory that lies in huge pages, since nothing is reserved but a little
    memory for eviction to work with."""
    pages = sum((size.value for name, size in total.items() if name.startswith("hugepages-")), Decimal(0))
    if not pages or "memory" not in total:
        return dict(total)
    return {**total, "memory": make(max(total["memory"].value - pages, Decimal(0)), "binary")}


def system_info(runtime: RuntimeVersion) -> NodeSystemInfo:
    release = dict(line.partition("=")[::2] for line in _read("/etc/os-release").splitlines() if "=" in line)
    machine = _read("/etc/machine-id")
    return NodeSystemInfo(
        machine_id=machine,
        system_uuid=_read("/sys/class/dmi/id/product_uuid") or machine,
        boot_id=_read("/proc/sys/kernel/random/boot_id"),
        kernel_version=platform.release(),
        os_image=release.get("PRETTY_NAME", "").strip('"') or platform.system(),
        container_runtime_version=f"{runtime.name}://{runtime.version}",
        kubelet_version=KUBERNETES_VERSION,
        operating_system="linux",
        architecture=architecture(),
        swap=NodeSwapStatus(capacity=swap) if (swap := swap_bytes()) else None,
    )
