"""The container runtime as a node sees it: sandboxes, containers, images, events and streams.

Modelled on CRI v1, with its meaning: a *sandbox* is a pod's shared namespaces, a *container* runs inside one, both
carry labels and annotations that the runtime keeps, so that the kubelet can rebuild all it knows from them.
Implementations: `pilothouse.runtime.containerd` (real) and `pilothouse.runtime.simulated` (virtual time, no root).
Times are seconds since the epoch (0.0: not yet), sizes bytes, CPU nanoseconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from pilothouse.seams.streams import ByteStream, Session


class RuntimeFailure(Exception):
    """The runtime refused or failed; the text is its own and is shown to users in events. `plain` is the text without
    what the transport has put before it."""

    def __init__(self, text: str = "", plain: str = "") -> None:
        super().__init__(text)
        self.plain = plain or text


class NotFound(RuntimeFailure):
    """There is no such sandbox, container or image."""


class RuntimeUnavailable(RuntimeFailure):
    """The runtime cannot be reached now; nothing is known of what was asked."""


class DeadlineExceeded(RuntimeFailure):
    """What was asked took longer than its timeout."""


class PullFailure(RuntimeFailure):
    """An image could not be fetched; `reason` is the container's waiting reason (ErrImagePull, RegistryUnavailable)."""

    def __init__(self, message: str, reason: str = "ErrImagePull") -> None:
        super().__init__(message)
        self.reason = reason


class SandboxState(Enum):
    READY = 0
    NOT_READY = 1


class ContainerState(Enum):
    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


class NamespaceMode(Enum):
    """Whose namespace a process gets: its pod's, its own, the node's, or that of the container `target_id`."""

    POD = 0
    CONTAINER = 1
    NODE = 2
    TARGET = 3


class MountPropagation(Enum):
    PRIVATE = 0
    HOST_TO_CONTAINER = 1
    BIDIRECTIONAL = 2


class SeccompProfile(Enum):
    RUNTIME_DEFAULT = 0
    UNCONFINED = 1
    LOCALHOST = 2


@dataclass(frozen=True, slots=True)
class Seccomp:
    """`localhost_path` is an absolute path on the node, for LOCALHOST only."""

    profile: SeccompProfile
    localhost_path: str = ""


@dataclass(frozen=True, slots=True)
class AppArmor:
    """`localhost_profile` is the name of a loaded profile, for LOCALHOST only."""

    profile: SeccompProfile
    localhost_profile: str = ""


@dataclass(frozen=True, slots=True)
class Namespaces:
    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    target_id: str = ""


@dataclass(frozen=True, slots=True)
class DNSConfig:
    servers: Sequence[str] = ()
    searches: Sequence[str] = ()
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class PortMapping:
    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of a container or of a pod's cgroup. 0 and -1 mean: not limited (cpu_quota, memory_limit)."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit: int = 0
    oom_score_adj: int = 0
    hugepage_limits: Mapping[str, int] = field(default_factory=dict)
    unified: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxSecurity:
    namespaces: Namespaces = Namespaces()
    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: Sequence[int] = ()
    strict_supplemental_groups: bool = False
    privileged: bool = False
    readonly_rootfs: bool = False
    seccomp: Seccomp | None = None


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """What a pod's sandbox is made from. (namespace, name, uid, attempt) identifies it; `log_directory` is absolute."""

    name: str
    namespace: str
    uid: str
    attempt: int
    hostname: str
    log_directory: str
    cgroup_parent: str = ""
    dns: DNSConfig | None = None
    port_mappings: Sequence[PortMapping] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    security: SandboxSecurity = SandboxSecurity()
    resources: Resources | None = None
    runtime_handler: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    container_path: str
    host_path: str
    readonly: bool = False
    propagation: MountPropagation = MountPropagation.PRIVATE
    recursive_readonly: bool = False


@dataclass(frozen=True, slots=True)
class ContainerSecurity:
    """`run_as_user` and `run_as_username` exclude each other; both unset: the image's user."""

    namespaces: Namespaces = Namespaces()
    add_capabilities: Sequence[str] = ()
    drop_capabilities: Sequence[str] = ()
    privileged: bool = False
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_username: str = ""
    readonly_rootfs: bool = False
    supplemental_groups: Sequence[int] = ()
    strict_supplemental_groups: bool = False
    no_new_privileges: bool = False
    apparmor: AppArmor | None = None
    masked_paths: Sequence[str] = ()
    readonly_paths: Sequence[str] = ()
    seccomp: Seccomp | None = None


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """`image` is the reference the runtime resolved (Image.id); `log_path` is relative to the sandbox's
    log directory."""

    name: str
    attempt: int
    image: str
    user_image: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    working_dir: str = ""
    environment: Sequence[tuple[str, str]] = ()
    mounts: Sequence[Mount] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = field(default_factory=Resources)
    security: ContainerSecurity = ContainerSecurity()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox as it stands. `ips` is empty for one in the node's network and in list answers."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    state: SandboxState
    created_at: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    ips: Sequence[str] = ()
    network_pid: int = 0


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it stands. List answers leave what follows `annotations` empty."""

    id: str
    sandbox_id: str
    name: str
    attempt: int
    image: str
    image_ref: str
    state: ContainerState
    created_at: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    started_at: float = 0.0
    finished_at: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""


class EventType(Enum):
    """CREATED and STARTED are hints; STOPPED is told once per exit; OOM precedes its STOPPED; RELIST says that events
    may have been lost, and everything is to be read again."""

    CREATED = "created"
    STARTED = "started"
    STOPPED = "stopped"
    DELETED = "deleted"
    OOM = "oom"
    RELIST = "relist"


@dataclass(frozen=True, slots=True)
class RuntimeEvent:
    """`id` is a container's or a sandbox's; empty for RELIST."""

    type: EventType
    id: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """`id` is its config's digest; `tags` and `digests` are full references; `uid` or
    `username` what its config says."""

    id: str
    tags: Sequence[str]
    digests: Sequence[str]
    size: int
    uid: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    username: str = ""
    password: str = ""
    auth: str = ""
    server_address: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True)
class ContainerStats:
    """Usage counters at `timestamp`; None where the runtime does not know."""

    id: str
    name: str
    labels: Mapping[str, str]
    timestamp: float
    cpu_usage_core_ns: int | None = None
    memory_working_set: int | None = None
    memory_usage: int | None = None
    memory_rss: int | None = None
    writable_layer: int | None = None


@dataclass(frozen=True, slots=True)
class FilesystemUsage:
    mountpoint: str
    used: int
    inodes_used: int


@dataclass(frozen=True, slots=True)
class RuntimeCondition:
    """`type` is RuntimeReady or NetworkReady."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """`containerd`, `1.6.20`."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class HandlerFeatures:
    """What a handler can do that not every one can. Users' namespaces are not among it: this project makes none."""

    recursive_read_only: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeFeatures:
    """What the runtime says it can do. `handlers` by name, "" the default one; empty from a runtime that is too old to
    tell."""

    handlers: Mapping[str, HandlerFeatures] = field(default_factory=dict)
    supplemental_groups_policy: bool = False

    def recursive_read_only(self, handler: str) -> bool:
        known = self.handlers.get(handler)
        return known is not None and known.recursive_read_only


class ContainerRuntime(Protocol):
    """Sandboxes and containers. Everything may raise RuntimeUnavailable; ids that do not exist raise NotFound, except
    in stop and remove, which then have nothing to do."""

    async def version(self) -> RuntimeVersion: ...

    async def status(self) -> Sequence[RuntimeCondition]: ...

    async def features(self) -> RuntimeFeatures: ...

    async def set_pod_cidr(self, cidr: str) -> None:
        """Give out pod addresses from `cidr`; until then NetworkReady is false. Idempotent."""
        ...

    async def run_sandbox(self, config: SandboxConfig) -> str:
        """Create and start a sandbox with its network; its id."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what still runs in it and tear its network down. Idempotent."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it with its containers. Idempotent."""
        ...

    async def sandbox(self, sandbox_id: str) -> Sandbox: ...

    async def sandboxes(self) -> Sequence[Sandbox]: ...

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        """Create a container (not started); its id."""
        ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, grace_seconds: float) -> None:
        """Send the stop signal, after `grace_seconds` SIGKILL; returns once it has ended. Idempotent."""
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def container(self, container_id: str) -> Container: ...

    async def containers(self) -> Sequence[Container]: ...

    async def update_resources(self, container_id: str, resources: Resources) -> None: ...

    async def reopen_log(self, container_id: str) -> None:
        """Write to a new file at the log path, after the old one was renamed away."""
        ...

    def events(self) -> AsyncIterator[RuntimeEvent]:
        """What happens from now on, for ever; begins with RELIST, as does every gap."""
        ...

    async def container_stats(self) -> Sequence[ContainerStats]: ...


class ImageRuntime(Protocol):
    """Images. References are as users write them; the runtime normalizes (`busybox` is
    `docker.io/library/busybox:latest`)."""

    async def images(self) -> Sequence[Image]: ...

    async def image(self, reference: str) -> Image | None:
        """The image that `reference` names on this node, None if absent."""
        ...

    async def pull(self, reference: str, auth: RegistryAuth | None = None) -> str:
        """Fetch it; its id. Raises PullFailure."""
        ...

    async def remove_image(self, reference: str) -> None: ...

    async def load_archive(self, path: str) -> Sequence[str]:
        """Import a docker or OCI archive from a file on this node; the names it now has here, unchanged."""
        ...

    async def filesystem(self) -> FilesystemUsage:
        """Where images lie, and how much they take."""
        ...


class StreamRuntime(Protocol):
    """Processes and connections inside pods, as streams."""

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float | None) -> ExecResult:
        """Run to its end; output is cut at 16 MiB. Raises DeadlineExceeded after `timeout` seconds."""
        ...

    async def exec(self, container_id: str, command: Sequence[str], *, stdin: bool, tty: bool) -> Session:
        """Run `command`; with a tty there is no stderr."""
        ...

    async def attach(self, container_id: str, *, stdin: bool, tty: bool) -> Session:
        """Join the container's main process; its exit status ends the session."""
        ...

    async def port_forward(self, sandbox_id: str, port: int) -> ByteStream:
        """A TCP connection to `port` on the pod's loopback. Raises RuntimeFailure if nothing listens."""
        ...


class Runtime(ContainerRuntime, ImageRuntime, StreamRuntime, Protocol):
    """All of it, and its end."""

    async def close(self) -> None:
        """Let go of the connection; what runs, runs on."""
        ...
