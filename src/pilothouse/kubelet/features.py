"""What a pod asks for that not every runtime or machine can give: given, or refused in upstream's words.

A pod that asked for protection never runs without it. Follows pkg/kubelet: runtimeclass, userns, apparmor, and
resolveRecursiveReadOnly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pilothouse.api.types.core.v1 import AppArmorProfile, Pod, PodSecurityContext, SecurityContext, VolumeMount
from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.kubelet.environment import AnyContainer, ConfigError
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.seams.runtime import AppArmor, RuntimeFeatures, SeccompProfile

APPARMOR_SWITCH = Path("/sys/module/apparmor/parameters/enabled")


class Unsupported(Exception):
    """The pod's sandbox cannot be made as the pod wants it."""


class Classes(Protocol):
    async def runtime_class(self, name: str) -> RuntimeClass | None:
        """None if there is none of that name. Raises VolumeError if the API cannot be asked."""
        ...


async def handler(pod: Pod, classes: Classes) -> str:
    """The runtime handler of the pod's RuntimeClass; "" for the default one. Raises Unsupported."""
    name = pod.spec.runtime_class_name or ""
    try:
        found = await classes.runtime_class(name) if name else None
    except VolumeError as error:
        raise Unsupported(f"failed to get sandbox runtime: {error}") from None
    if name and found is None:
        raise Unsupported(f'failed to get sandbox runtime: runtimeclasses.node.k8s.io "{name}" not found')
    chosen = found.handler if found is not None else ""
    if pod.spec.host_users is False:
        raise Unsupported(f'RuntimeClass handler "{chosen}" does not support user namespaces')
    return chosen


def recursive_read_only(mount: VolumeMount, read_only: bool, features: RuntimeFeatures, handler: str) -> bool:
    """Whether all that is mounted below is to be read-only, too. Raises ConfigError if it must be and cannot."""
    mode = mount.recursive_read_only or "Disabled"
    if mode == "Disabled" or not read_only:
        return False
    able = features.recursive_read_only(handler)
    if mode == "Enabled" and not able:
        why = "it is not supported by the runtime"
        raise ConfigError(f'volume "{mount.name}" requested recursive read-only mode, but {why}')
    return able


def apparmor_enabled(switch: Path = APPARMOR_SWITCH) -> bool:
    """Whether the machine's kernel enforces AppArmor profiles."""
    try:
        return switch.read_text().strip() == "Y"
    except OSError:
        return False


def apparmor_profile(pod: Pod, container: AnyContainer) -> AppArmorProfile | None:
    """The profile that a container is to run under: its own, or its pod's."""
    own = (container.security_context or SecurityContext()).app_armor_profile
    return own or (pod.spec.security_context or PodSecurityContext()).app_armor_profile


def wants_apparmor(pod: Pod) -> bool:
    """Whether some container is to be confined."""
    containers: tuple[AnyContainer, ...] = (
        *(pod.spec.containers or ()),
        *pod.spec.init_containers,
        *pod.spec.ephemeral_containers,
    )
    profiles = (apparmor_profile(pod, container) for container in containers)
    return any(profile is not None and profile.type != "Unconfined" for profile in profiles)


def apparmor(profile: AppArmorProfile | None) -> AppArmor | None:
    """As the runtime takes it."""
    if profile is None:
        return None
    if profile.type == "Localhost":
        return AppArmor(SeccompProfile.LOCALHOST, profile.localhost_profile or "")
    default = profile.type == "RuntimeDefault"
    return AppArmor(SeccompProfile.RUNTIME_DEFAULT if default else SeccompProfile.UNCONFINED)
