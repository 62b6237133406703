"""Security contexts of pods and containers. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from pilothouse.api.field_errors import FieldErrors, duplicate, forbidden, invalid, not_supported, required, too_long
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec import checks, windows
from pilothouse.kinds.core.podspec.groups import containers_of
from pilothouse.semantics.validation.names import longer

_ID_LIMIT = 2**31 - 1
SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
APPARMOR = ("Localhost", "RuntimeDefault", "Unconfined")
PROC_MOUNTS = ("Default", "Unmasked")
CHANGE_POLICIES = ("Always", "OnRootMismatch")
GROUP_POLICIES = ("Merge", "Strict")
SELINUX_POLICIES = ("Recursive",)  # MountOption is of the feature SELinuxMount, which is off by default
_PATH_LIMIT = 4095
_WINDOWS = "cannot be set for a windows pod"
_DOTTED = str.maketrans("./", "/.")
_SYSCTL = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"


def _identity(path: str, number: int | None) -> FieldErrors:
    if number is None or 0 <= number <= _ID_LIMIT:
        return []
    return [invalid(path, number, checks.between(0, _ID_LIMIT))]


def seccomp(path: str, profile: core.SeccompProfile | None) -> FieldErrors:
    if profile is None:
        return []
    found: FieldErrors = []
    if not profile.type:
        found.append(required(f"{path}.type", "type is required when seccompProfile is set"))
    elif profile.type not in SECCOMP:
        found.append(not_supported(f"{path}.type", profile.type, SECCOMP))
    at, name = f"{path}.localhostProfile", profile.localhost_profile
    if profile.type != "Localhost":
        detail = "can only be set when seccomp type is Localhost"
        return found if name is None else [*found, invalid(at, profile, detail)]
    if name is None:
        return [*found, required(at, "must be set when seccomp type is Localhost")]
    return found + checks.descending(at, name)


def apparmor(path: str, profile: core.AppArmorProfile | None) -> FieldErrors:
    if profile is None:
        return []
    if not profile.type:
        return [required(f"{path}.type", "type is required when appArmorProfile is set")]
    if profile.type not in APPARMOR:
        return [not_supported(f"{path}.type", profile.type, APPARMOR)]
    name, at = profile.localhost_profile, f"{path}.localhostProfile"
    if profile.type == "Localhost":
        if name is None:
            return [required(at, "must be set when AppArmor type is Localhost")]
        found: FieldErrors = []
        if name.strip() != name:
            found.append(invalid(at, name, "must not be padded with whitespace"))
        elif not name:
            found.append(required(at, "must be set when AppArmor type is Localhost"))
        return [*found, too_long(at, _PATH_LIMIT)] if longer(name, _PATH_LIMIT) else found
    if name is not None:
        detail = "can only be set when AppArmor type is Localhost"
        return [invalid(at, name, detail)]
    return []


def _profile(text: str) -> core.AppArmorProfile | None:
    """A profile as the old annotation names it."""
    if text.startswith("localhost/"):
        return core.AppArmorProfile(type="Localhost", localhost_profile=text.removeprefix("localhost/"))
    kinds = {"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}
    return core.AppArmorProfile(type=kinds[text]) if text in kinds else None


def with_apparmor_fields(found: core.Pod, prefix: str) -> core.Pod:
    """A pod whose containers have the profiles that annotations `prefix` + name still ask for."""
    asked = {
        key.removeprefix(prefix): profile
        for key, text in found.metadata.annotations.items()
        if key.startswith(prefix) and (profile := _profile(text)) is not None
    }
    spec = found.spec
    if not asked or (spec.os is not None and spec.os.name == "windows"):
        return found
    shared = spec.security_context.app_armor_profile if spec.security_context is not None else None

    def fill(container: core.Container) -> core.Container:
        context = container.security_context or core.SecurityContext()
        profile = asked.get(container.name)
        if profile is None or profile == shared or context.app_armor_profile is not None:
            return container
        return replace(container, security_context=replace(context, app_armor_profile=profile))

    containers = tuple(map(fill, spec.containers or ()))
    init_containers = tuple(map(fill, spec.init_containers))
    return replace(found, spec=replace(spec, containers=containers, init_containers=init_containers))


def windows_options(path: str, options: core.WindowsSecurityContextOptions | None) -> FieldErrors:
    if options is None:
        return []
    found: FieldErrors = []
    if (name := options.gmsa_credential_spec_name) is not None:
        found += checks.subdomain(f"{path}.gmsaCredentialSpecName", name)
    if (content := options.gmsa_credential_spec) is not None:
        if not content:
            found.append(invalid(f"{path}.gmsaCredentialSpec", content, "gmsaCredentialSpec cannot be an empty string"))
        elif longer(content, 64 * 1024):
            detail = f"gmsaCredentialSpec size must be under {64} KiB"
            found.append(invalid(f"{path}.gmsaCredentialSpec", content, detail))
    if (user := options.run_as_user_name) is not None:
        at = f"{path}.runAsUserName"
        found += [invalid(at, user, f"runAsUserName{fault}") for fault in windows.user_faults(user)]
    return found


def container_context(path: str, context: core.SecurityContext, host_users: bool | None) -> FieldErrors:
    found = _identity(f"{path}.runAsUser", context.run_as_user)
    found += _identity(f"{path}.runAsGroup", context.run_as_group)
    if (mount := context.proc_mount) is not None:
        if mount not in PROC_MOUNTS:
            found.append(not_supported(f"{path}.procMount", mount, PROC_MOUNTS))
        elif mount == "Unmasked" and host_users is not False:
            found.append(invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`"))
    found += seccomp(f"{path}.seccompProfile", context.seccomp_profile)
    if context.allow_privilege_escalation is False:
        prefix = "cannot set `allowPrivilegeEscalation` to false and "
        if context.privileged:
            found.append(invalid(path, context, prefix + "`privileged` to true"))
        if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
            found.append(invalid(path, context, prefix + "`capabilities.Add` CAP_SYS_ADMIN"))
    found += windows_options(f"{path}.windowsOptions", context.windows_options)
    return found + apparmor(f"{path}.appArmorProfile", context.app_armor_profile)


def sysctls(path: str, found: Sequence[core.Sysctl], spec: core.PodSpec) -> FieldErrors:
    import re

    errors: FieldErrors = []
    names: set[str] = set()
    for index, sysctl in enumerate(found):
        at, name = f"{path}[{index}]", sysctl.name
        if not name:
            errors.append(required(f"{at}.name"))
        elif longer(name, 253) or not re.match(_SYSCTL, name):
            detail = f"must have at most 253 characters and match regex {_SYSCTL}"
            errors.append(invalid(f"{at}.name", name, detail))
        elif name in names:
            errors.append(duplicate(f"{at}.name", name))
        names.add(name)
        separator = next((letter for letter in name if letter in "./"), ".")
        plain = name if separator == "." else name.translate(_DOTTED)
        for prefixes, shared, what in (
            (("net.",), spec.host_network, "hostNetwork"),
            (("kernel.shm", "kernel.msg", "fs.mqueue."), spec.host_ipc, "hostIPC"),
        ):
            if shared and (plain.startswith(prefixes) or (what == "hostIPC" and plain == "kernel.sem")):
                errors.append(invalid(f"{at}.name", name, f"may not be specified when '{what}' is true"))
    return errors


def pod_context(path: str, spec: core.PodSpec) -> FieldErrors:
    """spec.securityContext and the namespaces that a pod shares with its node."""
    found: FieldErrors = []
    context = spec.security_context
    if context is None:
        return found
    if spec.share_process_namespace and spec.host_pid:
        where = f"{path}.securityContext.shareProcessNamespace"
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        found.append(invalid(where, spec.share_process_namespace, detail))
    at = f"{path}.securityContext"
    if context is not _EMPTY and context != _EMPTY:
        found += _identity(f"{at}.fsGroup", context.fs_group)
        found += _identity(f"{at}.runAsUser", context.run_as_user)
        found += _identity(f"{at}.runAsGroup", context.run_as_group)
        for index, group in enumerate(context.supplemental_groups):
            found += _identity(f"{at}.supplementalGroups[{index}]", group)
        if context.sysctls:
            found += sysctls(f"{at}.sysctls", context.sysctls, spec)
        for name, value, supported in (
            ("fsGroupChangePolicy", context.fs_group_change_policy, CHANGE_POLICIES),
            ("supplementalGroupsPolicy", context.supplemental_groups_policy, GROUP_POLICIES),
            ("seLinuxChangePolicy", context.se_linux_change_policy, SELINUX_POLICIES),
        ):
            if value is not None and value not in supported:
                found.append(not_supported(f"{at}.{name}", value, supported))
        found += seccomp(f"{at}.seccompProfile", context.seccomp_profile)
        found += windows_options(f"{at}.windowsOptions", context.windows_options)
        found += apparmor(f"{at}.appArmorProfile", context.app_armor_profile)
    return found


_EMPTY = core.PodSecurityContext()


def host_ports(path: str, spec: core.PodSpec, *, template: bool) -> FieldErrors:
    """In the host's network a port of a container is a port of the host; a template need not say it twice."""
    if not spec.host_network:
        return []
    detail = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(f"{path}.containers[{i}].ports[{j}].hostPort", port.host_port, detail)
        for i, container in enumerate(spec.containers or ())
        for j, port in enumerate(container.ports)
        if port.host_port != port.container_port and not (template and port.host_port == 0)
    ]


def host_users(path: str, spec: core.PodSpec) -> FieldErrors:
    """A pod with a user namespace of its own shares no other namespace with the node."""
    if spec.host_users is not False:
        return []
    detail = "when `hostUsers` is false"
    shared = (("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc))
    found = [forbidden(f"{path}.{name}", detail) for name, value in shared if value]
    devices = (at for at, container in containers_of(path, spec) if container.volume_devices)
    return found + [forbidden(f"{at}.volumeDevices", detail) for at in devices]
