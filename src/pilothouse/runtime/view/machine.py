"""Makes and removes nodes' views of the machine; every function may be run again. Blocking."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from pathlib import Path

from pilothouse.runtime.view import plan
from pilothouse.runtime.view.plan import NodeView

_DETACH = 2


class ViewFailure(OSError):
    """The namespaces were not made; the text says why."""


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ViewFailure(f"{command[0]} is not installed") from None
    if done.returncode:
        raise ViewFailure(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")


def pinned(view: NodeView) -> bool:
    """Whether the namespaces are there, with the folders that they were made for."""
    mark = view.own / plan.MARK.relative_to("/")
    return mark.exists() and all(os.path.ismount(pin) for pin in (view.mount_pin, view.uts_pin))


def enter(view: NodeView) -> tuple[str, ...]:
    """The options of nsenter that lead into the view."""
    return (f"--mount={view.mount_pin}", f"--uts={view.uts_pin}")


def entered(view: NodeView) -> bool:
    """Whether this process sees the machine as the node does."""
    with contextlib.suppress(OSError):
        return plan.MARK.read_text().split() == [view.cluster, view.node]
    return False


def ensure(view: NodeView) -> bool:
    """Make the namespaces, held by files, unless they are there; whether they were not. Raises ViewFailure."""
    if pinned(view):
        return False
    remove(view)
    view.own.mkdir(parents=True, exist_ok=True, mode=0o755)
    view.pins.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A mount namespace cannot be held by a mount that would come into it.
    _run("mount", "--bind", str(view.pins), str(view.pins))
    _run("mount", "--make-private", str(view.pins))
    view.mount_pin.touch()
    view.uts_pin.touch()
    try:
        command = ("unshare", f"--mount={view.mount_pin}", f"--uts={view.uts_pin}", "--propagation", "slave")
        _run(*command, "sh", "-e", "-c", plan.script(view))
    except ViewFailure:
        remove(view)
        raise
    return True


def remove(view: NodeView) -> None:
    """Let the namespaces go; they end with the last process in them, and all their mounts with them."""
    libc = ctypes.CDLL(None, use_errno=True)
    for pin in (view.mount_pin, view.uts_pin, view.pins):
        for _ in range(8):
            if libc.umount2(os.fsencode(pin), _DETACH):
                break
    for pin in (view.mount_pin, view.uts_pin):
        Path(pin).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        view.pins.rmdir()
