"""Where a cluster keeps what it has: all below two directories of its own, so that `down` can leave nothing."""

from __future__ import annotations

import os
import pathlib
from dataclasses import dataclass, replace


def _bases() -> tuple[pathlib.Path, pathlib.Path]:
    """(state, run): what survives a reboot, and sockets, whose paths must be short (108 bytes)."""
    if home := os.environ.get("PILOTHOUSE_HOME"):
        return pathlib.Path(home) / "state", pathlib.Path(home) / "run"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return pathlib.Path("/var/lib/pilothouse"), pathlib.Path("/run/pilothouse")
    state = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state"
    run = os.environ.get("XDG_RUNTIME_DIR") or pathlib.Path(state) / "run"
    return pathlib.Path(state) / "pilothouse", pathlib.Path(run) / "pilothouse"


@dataclass(frozen=True)
class Paths:
    """The files of one cluster. `door` leads to the state directory in a process that does not see it by its path, as
    a node's: of its folders only the node's own and those in `run` are there by path."""

    state: pathlib.Path
    run: pathlib.Path
    door: pathlib.Path | None = None

    @property
    def _kept(self) -> pathlib.Path:
        return self.door or self.state

    def through(self, descriptor: int) -> Paths:
        """The same for a process that has an open descriptor of the state directory; for the programs that it starts
        too, and for nobody with fewer rights than it has."""
        return replace(self, door=pathlib.Path(f"/proc/{os.getpid()}/fd/{descriptor}"))

    @staticmethod
    def of(name: str) -> Paths:
        state, run = _bases()
        return Paths(state / name, run / name)

    @staticmethod
    def names() -> list[str]:
        """Clusters that have a state directory here."""
        state, _ = _bases()
        return sorted(p.name for p in state.iterdir() if (p / "cluster.json").exists()) if state.is_dir() else []

    @property
    def spec(self) -> pathlib.Path:
        return self._kept / "cluster.json"

    @property
    def spec_copy(self) -> pathlib.Path:
        """The same again, for `down` to read if the other is damaged."""
        return self._kept / ".cluster.json.copy"

    @property
    def pki(self) -> pathlib.Path:
        return self._kept / "pki"

    @property
    def encryption(self) -> pathlib.Path:
        """The keys that what is secret in the store is encrypted with, as an EncryptionConfiguration."""
        return self._kept / "encryption.yaml"

    @property
    def store(self) -> pathlib.Path:
        return self._kept / "store.db"

    @property
    def images(self) -> pathlib.Path:
        """What `image load` was given, for the nodes that come later (`house/loaded_images.py`)."""
        return self._kept / "images"

    @property
    def removing(self) -> pathlib.Path:
        """There from when `down` begins to end processes: nothing is started any more, and `down` alone goes on."""
        return self._kept / ".removing"

    @property
    def supervision(self) -> pathlib.Path:
        """How often each process was started again, and why: written by the supervisor, read by `status`."""
        return self.run / "supervision.json"

    @property
    def claim(self) -> pathlib.Path:
        """Locked while a command changes the cluster. Beside the state directory, since it outlives it."""
        return self.run.parent / f"{self.run.name}.claim"

    def log(self, component: str) -> pathlib.Path:
        return self.state / "logs" / f"{component}.log"

    def lock(self, component: str) -> pathlib.Path:
        return self.run / f"{component}.lock"

    def node_state(self, node: str) -> pathlib.Path:
        return self.state / "nodes" / node

    def node_run(self, node: str) -> pathlib.Path:
        return self.run / node
