"""What a node is told at its start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """`root` holds what a node keeps of its pods. `address` is its InternalIP, `cgroup_parent` an absolute cgroup path
    (with cgroup v1: in every hierarchy). Seconds throughout."""

    name: str
    address: str
    root: Path
    cgroup_parent: str
    pod_cidr: str = ""
    cluster_dns: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    kubelet_port: int = 10250
    max_pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    capacity: Mapping[str, str] = field(default_factory=dict)
    """Overrides what the machine has: `cpu`, `memory`, `ephemeral-storage`, `pods`."""
    log_root: Path | None = None
    """The node's /var/log; None keeps logs below `root`."""
    resolv_conf: Path = Path("/etc/resolv.conf")
    allowed_sysctls: Sequence[str] = ()
    apparmor: bool | None = None
    """Whether AppArmor profiles are enforced; None asks the machine."""
    seccomp_default: bool = False
    """Whether containers without a seccomp profile run under the runtime's own (KubeletConfiguration's)."""
    lease_seconds: int = 40
    lease_period: float = 10.0
    status_period: float = 300.0

    @property
    def logs(self) -> Path:
        """NAMESPACE_NAME_UID/CONTAINER/N.log of every pod."""
        return self.root / "logs" if self.log_root is None else self.log_root / "pods"

    @property
    def log_links(self) -> Path:
        """A link to each container's log, named as log agents expect."""
        return (self.root if self.log_root is None else self.log_root) / "containers"

    def pod_folder(self, uid: str) -> Path:
        return self.root / "pods" / uid
