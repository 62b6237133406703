"""A node's view of the machine, as a shell script that makes it within new mount and UTS namespaces. Pure.

The folders where a node's programs and agents keep what is the node's are its own; all else is the machine's, so that a
hostPath of /tmp, /home or /dev means what it says. See docs/adr/0010.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# /run is emptied with every new view, as at a boot.
OWN_FOLDERS = ("/run", "/var/lib", "/var/log")
OWN_FILES = ("/etc/hostname", "/etc/hosts", "/etc/machine-id")
MARK = Path("/run/pilothouse-node")


@dataclass(frozen=True)
class NodeView:
    """`own` keeps the node's own folders, `pins` what holds the namespaces; both belong to the node alone. `kept` are
    paths of the machine that are needed although they lie in one of the node's own folders. `address` is the node's."""

    cluster: str
    node: str
    address: str
    own: Path
    pins: Path
    kept: tuple[Path, ...] = ()

    @property
    def mount_pin(self) -> Path:
        return self.pins / "mnt"

    @property
    def uts_pin(self) -> Path:
        return self.pins / "uts"


def within(path: Path, folders: Iterable[str]) -> bool:
    return any(path == Path(folder) or path.is_relative_to(folder) for folder in folders)


def _kept(view: NodeView) -> list[Path]:
    """Those that a folder of the node's own would hide, the outer ones first and without what lies in them. Such a
    folder itself is never kept."""
    found: list[Path] = []
    for path in sorted(set(view.kept) - set(map(Path, OWN_FOLDERS))):
        if within(path, OWN_FOLDERS) and not within(path, map(str, found)):
            found.append(path)
    return found


def script(view: NodeView) -> str:
    """What to run in the new namespaces, with `sh -e`. Mounts of the machine go on to come in; none goes out."""

    def inside(path: Path | str) -> str:
        return shlex.quote(str(view.own) + str(path))

    lines = [f"mkdir -p {inside('/etc')}", f"rm -rf {inside('/run')}"]
    for folder in OWN_FOLDERS:
        lines.append(f"mkdir -p -m 0755 {inside(folder)}")
    for path in _kept(view):
        source = shlex.quote(str(path))
        lines += [
            f"if [ -d {source} ]; then mkdir -p {inside(path)}; "
            f"else mkdir -p {inside(path.parent)}; touch {inside(path)}; fi",
            f"mount --bind {source} {inside(path)}",
        ]
    lines += [
        f"printf '%s\\n' {shlex.quote(view.node)} > {inside('/etc/hostname')}",
        # Its own name must be found without a name server.
        f"{{ cat /etc/hosts || true; printf '%s\\t%s\\n' {view.address} {shlex.quote(view.node)}; }} "
        f"> {inside('/etc/hosts')}",
        f"[ -s {inside('/etc/machine-id')} ] || tr -d - < /proc/sys/kernel/random/uuid > {inside('/etc/machine-id')}",
        f"printf '%s\\n' {shlex.quote(f'{view.cluster} {view.node}')} > {inside(MARK)}",
        f"mkdir -p -m 1777 {inside('/run/lock')}",
    ]
    lines += [f"if [ -e {file} ]; then mount --bind {inside(file)} {file}; fi" for file in OWN_FILES]
    # One that holds the state directory of this view is covered last: the others are bound from below it.
    lines += [f"mount --rbind {inside(folder)} {folder}" for folder in _in_order(view)]
    # What containers mount with propagation Bidirectional must lie on shared mounts.
    lines += [f"mount --make-shared {folder}" for folder in ("/", *OWN_FOLDERS)]
    lines.append(f"printf '%s\\n' {shlex.quote(view.node)} > /proc/sys/kernel/hostname")
    return "\n".join(lines) + "\n"


def _in_order(view: NodeView) -> list[str]:
    return sorted(OWN_FOLDERS, key=lambda folder: within(view.own, [folder]))
