"""What the command line asks of the house: clusters come up, go down, are looked at. Implemented by `house`."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol

RuntimeKind = Literal["containerd", "simulated"]
DEFAULT_NAME = "default"


class HouseError(Exception):
    """A request that cannot be carried out. `advice` says what to do next; nothing half-done is left."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class UpRequest(NamedTuple):
    """What `up` is asked for. None of `nodes` or `runtime` keeps what an existing cluster has (new: 1, containerd)."""

    name: str
    nodes: int | None
    runtime: RuntimeKind | None
    audit_policy: pathlib.Path | None = None
    """A file with an audit policy (`audit.k8s.io/v1`); None keeps what the cluster has, which may be none."""
    encryption: pathlib.Path | None = None
    """A file with an EncryptionConfiguration (`apiserver.config.k8s.io/v1`); None keeps what the cluster has."""
    kubelet_config: pathlib.Path | None = None
    """A file with a KubeletConfiguration (`kubelet.config.k8s.io/v1beta1`); None keeps what the cluster has."""
    log_level: str | None = None
    log_format: Literal["text", "json"] | None = None
    kubeconfig: pathlib.Path | None = None
    """The file that gets the cluster's entries; None takes the last one named, else the one that kubectl writes to."""
    switch_context: bool = True
    port: int | None = None
    """The API server's port; None takes a free one, or keeps that of an existing cluster."""
    listen: str | None = None
    """An address of this machine to listen on besides the loopback; None keeps what the cluster has."""
    timeout: float | None = None
    """Seconds to wait for each thing that takes time; None has a limit for each."""


class LogRequest(NamedTuple):
    """Which lines of which logs. `component` None: all, each line with its component in front. `tail`: as many of each
    log's last lines. `since`: those of as many seconds. `follow`: then go on with what is written."""

    component: str | None = None
    follow: bool = False
    tail: int | None = None
    since: float | None = None


class NodeStatus(NamedTuple):
    name: str
    address: str
    process: Literal["running", "stopped"]
    ready: bool | None
    """The Node object's Ready condition; None while the API server cannot be asked."""


class ProcessStatus(NamedTuple):
    """One process of a cluster, and what the supervisor remembers of it. Times are RFC 3339, empty for unknown."""

    name: str
    state: Literal["running", "stopped"]
    restarts: int = 0
    since: str = ""
    last_exit: str = ""
    last_exit_at: str = ""


class CertificateStatus(NamedTuple):
    """One certificate of a cluster: when it expires (RFC 3339), and in how many days, rounded down; empty and 0 if it
    cannot be used."""

    name: str
    expires: str
    days: int


class ClusterStatus(NamedTuple):
    name: str
    runtime: RuntimeKind
    server: str
    control_plane: Literal["running", "stopped"]
    ready: bool
    nodes: tuple[NodeStatus, ...]
    state_directory: str
    processes: tuple[ProcessStatus, ...] = ()
    """The supervisor first, which starts the others again when they end by themselves."""
    certificates: tuple[CertificateStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    """What will stop working soon, or is not as it should be, each with what to do."""
    context: str = ""
    """The cluster's context in kubectl's configuration."""
    current_context: str = ""
    """The context that is chosen in the file where the cluster's is; empty for none."""
    kubeconfig: str = ""
    """That file, if it is not where kubectl looks by itself."""


class Check(NamedTuple):
    """One finding of `doctor`: `remedy` is the command (or sentence) that mends it, and `packages` what
    that installs; both are empty for what passed."""

    name: str
    passed: bool
    detail: str
    remedy: str = ""
    packages: tuple[str, ...] = ()


class Progress(Protocol):
    """Hears of steps as they happen; called in order, from one thread."""

    def started(self, step: str) -> None: ...
    def finished(self, step: str, seconds: float) -> None: ...
    def failed(self, step: str, message: str) -> None: ...

    def abandoned(self, step: str) -> None:
        """The user broke it off, which is told elsewhere."""
        ...

    def note(self, message: str) -> None: ...


class House(Protocol):
    """The clusters of this machine. Every method raises HouseError, with advice."""

    def up(self, request: UpRequest, progress: Progress) -> ClusterStatus:
        """Bring the cluster to what is asked, or leave the machine as it was."""
        ...

    def down(self, name: str, progress: Progress) -> bool:
        """Take the cluster away with all it made; False if there was none."""
        ...

    def status(self, name: str) -> ClusterStatus: ...

    def names(self) -> Sequence[str]:
        """The clusters that exist here."""
        ...

    def rotate_encryption_key(self, name: str, progress: Progress) -> None:
        """Make a new key, and write with it everything that is encrypted; old keys stay, to read backups with."""
        ...

    def kubeconfig(self, name: str) -> str:
        """The kubeconfig of one cluster as YAML."""
        ...

    def doctor(self, runtime: RuntimeKind) -> Sequence[Check]: ...

    def install(self, runtime: RuntimeKind, progress: Progress) -> Sequence[Check]:
        """Install what is missing from the distribution; the checks as they stand after it."""
        ...

    def load_image(self, name: str, archive: pathlib.Path, progress: Progress) -> Sequence[str]:
        """Import a docker or OCI archive on every node, also those added later; the image names."""
        ...

    def logs(self, name: str, request: LogRequest) -> Iterator[str]:
        """Lines of the logs of a cluster's processes, oldest first."""
        ...

    def export_logs(self, name: str, folder: pathlib.Path) -> pathlib.Path:
        """Copy the cluster's logs, its state and what its API server tells of it, without secrets, into `folder`."""
        ...

    def components(self, name: str) -> Sequence[str]: ...

    def run_daemon(self, arguments: Sequence[str]) -> int:
        """The body of a cluster's own process (control plane or node); used by the house itself."""
        ...


MakeHouse = Callable[[], House]
