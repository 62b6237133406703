"""What a machine needs to carry nodes: each finding with the command that mends it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from pilothouse.kit.clock import SystemClock
from pilothouse.seams.house import Check, HouseError, Progress, RuntimeKind

CLOCK = SystemClock()
CNI_DIRECTORY = pathlib.Path("/usr/lib/cni")
_NEEDED_BYTES = 1 << 30
_FIRST_PORT = 6443
# program (or file) to the Debian and Ubuntu package that brings it
PROGRAMS = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "iptables": "iptables",
}
CNI_PLUGINS = ("bridge", "host-local", "loopback", "portmap")
CNI_PACKAGE = "containernetworking-plugins"
FILESYSTEMS = {"overlay": "overlay"}
MODULES = {"bridge": "bridge", "veth": "veth", "nf_tables": "nf_tables"}
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21


def apt_command(packages: Sequence[str]) -> str:
    return f"apt-get install --no-install-recommends {' '.join(packages)}"


def _program(name: str, package: str) -> Check:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    detail = found or "not found"
    return Check(f"program {name}", found is not None, detail, apt_command([package]), (package,))


def _cni() -> Check:
    missing = [plugin for plugin in CNI_PLUGINS if not (CNI_DIRECTORY / plugin).exists()]
    detail = f"missing in {CNI_DIRECTORY}: {', '.join(missing)}" if missing else str(CNI_DIRECTORY)
    return Check("CNI plugins", not missing, detail, apt_command([CNI_PACKAGE]), (CNI_PACKAGE,))


def _linux() -> Check:
    system = platform.system()
    return Check("operating system", system == "Linux", f"{system} {platform.release()}", "use --runtime simulated")


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check("Python", good, platform.python_version(), "install Python 3.11 or newer")


def _root() -> Check:
    good = os.geteuid() == 0
    return Check("root", good, "yes" if good else "no", "run it with sudo, or use --runtime simulated")


def _capabilities() -> Check:
    words = dict(
        line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    mask = int(words["CapEff"].strip(), 16)
    wanted = {"CAP_NET_ADMIN": _CAP_NET_ADMIN, "CAP_SYS_ADMIN": _CAP_SYS_ADMIN}
    missing = [name for name, bit in wanted.items() if not mask >> bit & 1]
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(wanted)
    return Check("capabilities", not missing, detail, "run it as root on the machine, or in a privileged container")


def _filesystem(name: str, module: str) -> Check:
    known = any(line.split()[-1] == name for line in pathlib.Path("/proc/filesystems").read_text().splitlines())
    return Check(f"file system {name}", known, "known" if known else "unknown to the kernel", f"modprobe {module}")


def _module(name: str, module: str) -> Check:
    """A module counts as there when it is loaded, built in, or can be loaded on demand."""
    release = pathlib.Path("/lib/modules") / platform.release()
    loaded = pathlib.Path("/sys/module", module).exists()
    listed = False
    for index in ("modules.builtin", "modules.dep"):
        with contextlib.suppress(FileNotFoundError):
            listed = listed or f"/{module}.ko" in (release / index).read_text()
    # A kernel without a module tree has everything built in; then only use can tell.
    works = loaded or listed or not release.exists()
    detail = "loaded" if loaded else "on demand" if listed else "built in" if works else "not found"
    return Check(f"kernel module {name}", works, detail, f"modprobe {module}")


def _cgroups() -> Check:
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    first = {option for fields in mounts if fields[2] == "cgroup" for option in fields[3].split(",")}
    second = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
    good = {"memory", "cpu", "pids"} <= first or bool(second)
    detail = "version 1" if {"memory", "cpu"} <= first else "version 2" if second else "no memory and cpu controllers"
    return Check("cgroups", good, detail, "mount -t cgroup2 none /sys/fs/cgroup")


def _disk() -> Check:
    free = shutil.disk_usage("/var/lib" if pathlib.Path("/var/lib").exists() else "/").free
    return Check("disk space", free >= _NEEDED_BYTES, f"{free / 1e9:.1f} GB free in /var/lib", "free at least 1 GB")


def _port() -> Check:
    from pilothouse.house.addresses import port_is_free

    free = port_is_free(_FIRST_PORT, "0.0.0.0")
    detail = "free" if free else f"busy; another port is taken. Who has it: ss -ltnp 'sport = :{_FIRST_PORT}'"
    return Check(f"port {_FIRST_PORT}", True, detail)


def checks(runtime: RuntimeKind) -> list[Check]:
    """All findings for a machine that shall run `runtime`; what is well needs no remedy."""
    return [check._replace(remedy="", packages=()) if check.passed else check for check in _checks(runtime)]


def _checks(runtime: RuntimeKind) -> list[Check]:
    if runtime == "simulated":
        return [_python(), _port()]
    linux = _linux()
    if not linux.passed:
        return [linux, _python()]
    probes: list[Callable[[], Check]] = [_python, _root, _capabilities, _cgroups, _disk, _cni, _port]
    found = [linux, *(probe() for probe in probes)]
    found += [_program(name, package) for name, package in PROGRAMS.items()]
    found += [_filesystem(name, module) for name, module in FILESYSTEMS.items()]
    return [*found, *(_module(name, module) for name, module in MODULES.items())]


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """While packages are installed, Debian's policy layer refuses to start their services: nodes run containerd of
    their own."""
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def install(runtime: RuntimeKind, progress: Progress) -> list[Check]:
    """Install the missing packages with apt; the findings after it."""
    packages = sorted({p for check in checks(runtime) if not check.passed for p in check.packages})
    if packages:
        if shutil.which("apt-get") is None:
            raise HouseError(
                f"cannot install {', '.join(packages)}: this machine has no apt-get",
                "install them with your distribution's package manager, then run `pilothouse doctor`",
            )
        with _no_services():
            _apt(["update", "-qq"], "update the package lists", progress)
            _apt(
                ["install", "-y", "-qq", "--no-install-recommends", *packages],
                f"install {' '.join(packages)}",
                progress,
            )
    for module in (*FILESYSTEMS.values(), *MODULES.values()):
        if not pathlib.Path("/sys/module", module).exists() and shutil.which("modprobe"):
            subprocess.run(["modprobe", "-q", module], check=False, capture_output=True)
    return checks(runtime)


def _apt(arguments: list[str], what: str, progress: Progress) -> None:
    progress.started(what)
    began = CLOCK.monotonic()
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        progress.failed(what, last[0] if last else f"exit code {done.returncode}")
        raise HouseError(
            f"apt-get {' '.join(arguments)} failed: {last[0] if last else done.returncode}",
            "run it by hand to see more; it needs root and a reachable package mirror",
        )
    progress.finished(what, CLOCK.monotonic() - began)


def require(runtime: RuntimeKind) -> None:
    """Raise HouseError naming the first things that are missing for `runtime`."""
    missing = [check for check in checks(runtime) if not check.passed]
    if not missing:
        return
    told = "; ".join(f"{check.name}: {check.detail}" for check in missing[:4])
    advice = missing[0].remedy
    if any(check.packages for check in missing):
        advice = "pilothouse doctor --install"
    raise HouseError(f"this machine lacks what nodes need: {told}", f"mend it with: {advice}")
