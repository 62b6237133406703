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
    paths of the machine that are needed although they lie in one of the node's own folders. `hidden` are folders of the
    machine that neither the node nor its containers see, by whatever name; of them, what is in `shown` is there
    nevertheless. `address` is the node's."""

    cluster: str
    node: str
    address: str
    own: Path
    pins: Path
    kept: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    shown: tuple[Path, ...] = ()

    @property
    def mount_pin(self) -> Path:
        return self.pins / "mnt"

    @property
    def uts_pin(self) -> Path:
        return self.pins / "uts"


def within(path: Path, folders: Iterable[str]) -> bool:
    return any(path == Path(folder) or path.is_relative_to(folder) for folder in folders)


def names(path: Path, real: Path) -> tuple[Path, ...]:
    """By which a folder is to be hidden that is called `path`, and is `real` once links are followed. Links of the
    machine lead to the real one in the view too; what stands for a link in one of the node's own folders does not."""
    return (path, real) if within(path, OWN_FOLDERS) else (real,)


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
    hidden = _outermost(view.hidden)
    for covered in hidden:
        if within(covered, OWN_FOLDERS):
            lines += _hide(view, covered, inside(covered))
    lines += [f"if [ -e {file} ]; then mount --bind {inside(file)} {file}; fi" for file in OWN_FILES]
    # One that holds the state directory of this view is covered last: the others are bound from below it.
    lines += [f"mount --rbind {inside(folder)} {folder}" for folder in _in_order(view)]
    # After those, since they may lie in it.
    for covered in hidden:
        if not within(covered, OWN_FOLDERS):
            lines += _hide(view, covered, shlex.quote(str(covered)))
    # What containers mount with propagation Bidirectional must lie on shared mounts.
    lines += [f"mount --make-shared {folder}" for folder in ("/", *OWN_FOLDERS)]
    lines.append(f"printf '%s\\n' {shlex.quote(view.node)} > /proc/sys/kernel/hostname")
    return "\n".join(lines) + "\n"


def _outermost(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in sorted(set(folders)):
        if not within(folder, map(str, found)):
            found.append(folder)
    return found


def _hide(view: NodeView, folder: Path, target: str) -> list[str]:
    """Cover `target`, where `folder` of the machine would be seen, by an empty folder in memory that nobody can write
    to, with what is shown of it. It is made elsewhere, since what it covers cannot be named any more."""
    draft = view.own / "cover"
    cover = shlex.quote(str(draft))
    lines = [f"mkdir -p {cover} {target}", f"mount -t tmpfs -o mode=0755,size=64k pilothouse {cover}"]
    for path in view.shown:
        if path.is_relative_to(folder):
            source, place = shlex.quote(str(path)), shlex.quote(str(draft / path.relative_to(folder)))
            lines += [f"mkdir -p {place}", f"mount --bind {source} {place}"]
    return [*lines, f"mount -o remount,bind,ro {cover}", f"mount --move {cover} {target}"]


def _in_order(view: NodeView) -> list[str]:
    return sorted(OWN_FOLDERS, key=lambda folder: within(view.own, [folder]))
