"""The cgroups of pods on the node's disk-like tree, cgroup v1 and v2. Blocking: run in a thread."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pilothouse.seams.runtime import Resources

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory", "pids", "cpuset", "io", "hugetlb")


def unified() -> bool:
    """Whether cgroup v2 is all there is."""
    return (ROOT / "cgroup.controllers").exists()


def weight(shares: int) -> int:
    """cpu.weight (1 to 10000) of cpu.shares (2 to 262144)."""
    return 1 + (shares - 2) * 9999 // 262142


def apply(path: str, resources: Resources) -> None:
    """Make the cgroup `path` and hold it to `resources`. What the kernel does not offer is left out."""
    if unified():
        _apply_v2(path, resources)
    else:
        _apply_v1(path, resources)


def exists(path: str) -> bool:
    """Whether the cgroup is there, in every hierarchy that it would be made in."""
    roots = [ROOT] if unified() else [ROOT / name for name in ("cpu", "memory") if (ROOT / name).is_dir()]
    return all((root / path.lstrip("/")).is_dir() for root in roots)


def change(path: str, resources: Resources, resource: str) -> None:
    """Hold a cgroup that is there to `resources`, in what they say of `resource`: cpu or memory. Raises OSError."""
    values = (_values_v2 if unified() else _values_v1)(resources)[resource]
    folder = ROOT if unified() else ROOT / resource
    if folder.is_dir():
        for name, value in values.items():
            file = folder / path.lstrip("/") / name
            try:
                file.write_text(str(value))
            except OSError as error:  # which does not name the file when it is the write that fails
                raise OSError(error.errno, error.strerror, str(file)) from None


def limit_huge_pages(path: str, limits: Mapping[int, int], sizes: Iterable[int]) -> None:
    """Hold a pod's cgroup to as many bytes in huge pages of each size as `limits` say, and to none of the other `sizes`
    that the machine has. Where the kernel does not count them nothing is limited."""
    suffix = "max" if unified() else "limit_in_bytes"
    folder = (ROOT if unified() else ROOT / "hugetlb") / path.lstrip("/")
    if not unified():
        if not (ROOT / "hugetlb").is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
    _write(folder, {f"hugetlb.{_page_name(size)}.{suffix}": limits.get(size, 0) for size in sizes})


def _page_name(size: int) -> str:
    """A size of pages as the kernel names it: 2MB."""
    unit, name = next(((u, n) for u, n in ((1 << 30, "GB"), (1 << 20, "MB")) if size >= u), (1 << 10, "KB"))
    return f"{size // unit}{name}"


def _values_v1(resources: Resources) -> dict[str, dict[str, object]]:
    """Files and what is in them, by resource."""
    return {"cpu": _cpu_v1(resources), "memory": {"memory.limit_in_bytes": resources.memory_limit or -1}}


def _values_v2(resources: Resources) -> dict[str, dict[str, object]]:
    limit = resources.cpu_quota or "max"
    return {
        "cpu": {
            "cpu.weight": weight(resources.cpu_shares or 2),
            "cpu.max": f"{limit} {resources.cpu_period or 100_000}",
        },
        "memory": {"memory.max": resources.memory_limit or "max"},
    }


def _apply_v1(path: str, resources: Resources) -> None:
    for controller, values in _values_v1(resources).items():
        if (ROOT / controller).is_dir():
            folder = ROOT / controller / path.lstrip("/")
            folder.mkdir(parents=True, exist_ok=True)
            _write(folder, values)


def _cpu_v1(resources: Resources) -> dict[str, object]:
    return {
        "cpu.shares": resources.cpu_shares or 2,
        "cpu.cfs_period_us": resources.cpu_period or 100_000,
        "cpu.cfs_quota_us": resources.cpu_quota or -1,
    }


def _apply_v2(path: str, resources: Resources) -> None:
    folder = ROOT
    for part in Path(path.lstrip("/")).parts:
        for controller in CONTROLLERS:
            with contextlib.suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        folder = folder / part
        folder.mkdir(exist_ok=True)
    for values in _values_v2(resources).values():
        _write(folder, values)


def _write(folder: Path, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        with contextlib.suppress(OSError):
            (folder / name).write_text(str(value))


def memory_limit(path: str) -> int | None:
    """The bytes of memory that a cgroup may have, to the page; None without a limit, or where the kernel has none."""
    file = ROOT / path.lstrip("/") / "memory.max"
    if not unified():
        file = ROOT / "memory" / path.lstrip("/") / "memory.limit_in_bytes"
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _folders(path: str) -> Iterator[Path]:
    if unified():
        yield ROOT / path.lstrip("/")
        return
    with contextlib.suppress(OSError):
        for hierarchy in ROOT.iterdir():
            if hierarchy.is_dir() and not hierarchy.is_symlink():
                yield hierarchy / path.lstrip("/")


def remove(path: str) -> None:
    """Remove a cgroup that nothing runs in, with the empty ones below it."""
    for folder in _folders(path):
        if folder.is_dir():
            with contextlib.suppress(OSError):
                for inner in sorted((p for p in folder.glob("**/*") if p.is_dir()), reverse=True):
                    inner.rmdir()
                folder.rmdir()
