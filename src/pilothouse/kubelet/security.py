"""Security contexts of pods and containers, as the runtime takes them. Pure."""

from __future__ import annotations

from pathlib import Path

from pilothouse.api.types.core.v1 import Capabilities, Pod, PodSecurityContext, SeccompProfile, SecurityContext
from pilothouse.kubelet.environment import AnyContainer, ConfigError
from pilothouse.kubelet.features import apparmor, apparmor_profile
from pilothouse.seams.runtime import (
    ContainerSecurity,
    Image,
    NamespaceMode,
    Namespaces,
    SandboxSecurity,
    Seccomp,
)
from pilothouse.seams.runtime import SeccompProfile as SeccompKind

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SECCOMP_FOLDER = Path("/var/lib/kubelet/seccomp")


def namespaces(pod: Pod, target_id: str = "") -> Namespaces:
    """Whose namespaces a container of the pod gets; `target_id`: whose processes an ephemeral container sees."""
    spec = pod.spec
    pid = NamespaceMode.CONTAINER
    if spec.host_pid:
        pid = NamespaceMode.NODE
    elif spec.share_process_namespace:
        pid = NamespaceMode.POD
    elif target_id:
        pid = NamespaceMode.TARGET
    return Namespaces(
        network=NamespaceMode.NODE if spec.host_network else NamespaceMode.POD,
        pid=pid,
        ipc=NamespaceMode.NODE if spec.host_ipc else NamespaceMode.POD,
        target_id=target_id if pid is NamespaceMode.TARGET else "",
    )


def seccomp(profile: SeccompProfile | None, *, default: bool = False) -> Seccomp | None:
    if profile is None:
        return Seccomp(SeccompKind.RUNTIME_DEFAULT if default else SeccompKind.UNCONFINED)
    if profile.type == "Localhost":
        return Seccomp(SeccompKind.LOCALHOST, str(SECCOMP_FOLDER / (profile.localhost_profile or "")))
    kind = SeccompKind.RUNTIME_DEFAULT if profile.type == "RuntimeDefault" else SeccompKind.UNCONFINED
    return Seccomp(kind)


def groups(pod: Pod) -> tuple[int, ...]:
    """Groups that every container of the pod has beside its own."""
    context = pod.spec.security_context or PodSecurityContext()
    extra = () if context.fs_group is None else (context.fs_group,)
    return (*context.supplemental_groups, *extra)


def is_privileged(container: AnyContainer) -> bool:
    return bool(container.security_context and container.security_context.privileged)


def sandbox_security(pod: Pod) -> SandboxSecurity:
    context = pod.spec.security_context or PodSecurityContext()
    containers = (*(pod.spec.containers or ()), *pod.spec.init_containers)
    return SandboxSecurity(
        namespaces=namespaces(pod),
        run_as_user=context.run_as_user,
        run_as_group=context.run_as_group if context.run_as_user is not None else None,
        supplemental_groups=groups(pod),
        strict_supplemental_groups=context.supplemental_groups_policy == "Strict",
        privileged=any(is_privileged(c) for c in containers),
        seccomp=Seccomp(SeccompKind.RUNTIME_DEFAULT),
    )


def container_security(
    pod: Pod, container: AnyContainer, image: Image, target_id: str = "", *, seccomp_default: bool = False
) -> ContainerSecurity:
    """`seccomp_default`: whoever names no profile gets the runtime's. Raises ConfigError if it must not run as root and
    would."""
    of_pod = pod.spec.security_context or PodSecurityContext()
    own = container.security_context or SecurityContext()
    user = own.run_as_user if own.run_as_user is not None else of_pod.run_as_user
    group = own.run_as_group if own.run_as_group is not None else of_pod.run_as_group
    non_root = own.run_as_non_root if own.run_as_non_root is not None else of_pod.run_as_non_root
    if non_root:
        _verify_not_root(pod, container, image, user)
    username = ""
    if user is None:
        user, username = image.uid, image.username if image.uid is None else ""
    capabilities = own.capabilities or Capabilities()
    privileged = bool(own.privileged)
    unmasked = privileged or own.proc_mount == "Unmasked"
    return ContainerSecurity(
        namespaces=namespaces(pod, target_id),
        add_capabilities=capabilities.add,
        drop_capabilities=capabilities.drop,
        privileged=privileged,
        run_as_user=user,
        run_as_username=username,
        run_as_group=group,
        readonly_rootfs=bool(own.read_only_root_filesystem),
        supplemental_groups=groups(pod),
        strict_supplemental_groups=of_pod.supplemental_groups_policy == "Strict",
        no_new_privileges=own.allow_privilege_escalation is False,
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=None if privileged else seccomp(own.seccomp_profile or of_pod.seccomp_profile, default=seccomp_default),
        apparmor=apparmor(apparmor_profile(pod, container)),
    )


def _verify_not_root(pod: Pod, container: AnyContainer, image: Image, user: int | None) -> None:
    meta = pod.metadata
    where = f'(pod: "{meta.name}_{meta.namespace}({meta.uid})", container: {container.name})'
    if user is not None:
        if user == 0:
            raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
        return
    if image.username:
        raise ConfigError(
            f"container has runAsNonRoot and image has non-numeric user ({image.username}), "
            f"cannot verify user is non-root {where}"
        )
    if not image.uid:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")
