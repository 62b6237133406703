"""containerd's configuration for one node: everything it owns lies under the node's own folders. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

PAUSE_IMAGE = "pilothouse.local/pause:1"
UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.native",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
)


@dataclass(frozen=True, slots=True)
class ContainerdPaths:
    """Where a node's containerd keeps what: `root` survives a restart of the machine, `state` need not.

    `state` must be short: containerd makes sockets under it, whose paths Linux cuts at 107 bytes.
    """

    root: Path
    state: Path
    cni_bin: Path = Path("/usr/lib/cni")

    @property
    def socket(self) -> Path:
        return self.state / "containerd.sock"

    @property
    def config(self) -> Path:
        return self.state / "config.toml"

    @property
    def cni_conf(self) -> Path:
        return self.state / "cni"

    @property
    def pid_file(self) -> Path:
        return self.state / "containerd.pid"

    @property
    def log(self) -> Path:
        return self.root / "containerd.log"


def render(paths: ContainerdPaths, *, restrict_oom_score: bool, sandbox_image: str = PAUSE_IMAGE) -> str:
    """The text of config.toml. `restrict_oom_score`: never ask for a lower oom_score_adj than our own, which takes
    CAP_SYS_RESOURCE."""

    def text(value: object) -> str:
        return json.dumps(str(value))

    disabled = ", ".join(text(name) for name in UNUSED_PLUGINS)
    return f"""version = 2
root = {text(paths.root / "data")}
state = {text(paths.state / "run")}
disabled_plugins = [{disabled}]

[grpc]
  address = {text(paths.socket)}

[ttrpc]
  address = {text(paths.state / "ttrpc.sock")}

[debug]
  address = ""
  level = "warn"

[plugins."io.containerd.gc.v1.scheduler"]
  startup_delay = "10s"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = {text(sandbox_image)}
  restrict_oom_score_adj = {str(restrict_oom_score).lower()}
  netns_mounts_under_state_dir = true
  max_container_log_line_size = 16384
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = {text(paths.cni_bin)}
    conf_dir = {text(paths.cni_conf)}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "runc"
        Root = {text(paths.state / "runc")}
"""
