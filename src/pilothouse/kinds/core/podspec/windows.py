"""Pods of Windows nodes: names of users, host processes, and what pods of either system may not say. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilothouse.api.field_errors import FieldErrors, forbidden, invalid
from pilothouse.api.types.core import v1 as core
from pilothouse.kinds.core.podspec.groups import containers_of
from pilothouse.semantics.validation.names import longer

_FORBIDDEN = "cannot be set for a windows pod"
_DOMAIN_LIMIT, _USER_LIMIT = 256, 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}\Z')
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\Z")
_DOTS = re.compile(r"[. ]+\Z")
_BAD = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def user_faults(name: str) -> Iterator[str]:
    """What is wrong with `[domain\\]user`; each fault continues the name of the field."""
    if not name:
        yield " cannot be an empty string"
        return
    if _CONTROL.search(name):
        yield " cannot contain control characters"
        return
    parts = name.split("\\")
    if len(parts) > 2:
        yield " cannot contain more than one backslash"
        return
    domain, user = parts if len(parts) == 2 else ("", parts[0])
    if longer(domain, _DOMAIN_LIMIT - 1):
        yield f"'s Domain length must be under {_DOMAIN_LIMIT} characters"
    if len(parts) == 2 and not _NETBIOS.match(domain) and not _DNS.match(domain):
        yield "'s Domain doesn't match the NetBios nor the DNS format"
    if not user:
        yield "'s User cannot be empty"
    elif longer(user, _USER_LIMIT):
        yield f"'s User length must not be longer than {_USER_LIMIT} characters"
    if _DOTS.match(user):
        yield "'s User cannot contain only periods or spaces"
    if _BAD.search(user):
        yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def host_processes(path: str, spec: core.PodSpec) -> FieldErrors:
    """Containers that are processes of their node are so all together, in the node's network."""
    whole = _host_process(spec.security_context)
    errors: FieldErrors = []
    groups = containers_of(path, spec)
    own = [_host_process(container.security_context) for _, container in groups]
    for (at, _), one in zip(groups, own, strict=True):
        if whole is not None and one is not None and one != whole:
            told = f"pod hostProcess value must be identical if both are specified, was {str(whole).lower()}"
            errors.append(invalid(f"{at}.securityContext.windowsOptions.hostProcess", one, told))
    count = sum(1 for one in own if one or (one is None and whole))
    if not count:
        return errors
    if count != len(groups):
        detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        errors.append(invalid(path, "", detail))
    if not spec.host_network:
        detail = "hostNetwork must be true if pod contains any hostProcess containers"
        errors.append(invalid(f"{path}.hostNetwork", spec.host_network, detail))
    return errors


def _host_process(context: core.SecurityContext | core.PodSecurityContext | None) -> bool | None:
    options = context.windows_options if context is not None else None
    return options.host_process if options is not None else None


def for_linux(path: str, spec: core.PodSpec) -> FieldErrors:
    detail = "windows options cannot be set for a linux pod"
    found: FieldErrors = []
    if spec.security_context is not None and spec.security_context.windows_options is not None:
        found.append(forbidden(f"{path}.securityContext.windowsOptions", detail))
    for at, container in containers_of(path, spec):
        context = container.security_context
        if context is not None and context.windows_options is not None:
            found.append(forbidden(f"{at}.securityContext.windowsOptions", detail))
    return found


def for_windows(path: str, spec: core.PodSpec) -> FieldErrors:
    """What a Windows pod may not say, in the order that the API reports it."""
    found: FieldErrors = []
    shared = (("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc), ("hostUsers", spec.host_users is not None))
    found += [forbidden(f"{path}.{name}", _FORBIDDEN) for name, given in shared if given]
    context = spec.security_context
    if context is not None:
        for name, value in (
            ("appArmorProfile", context.app_armor_profile),
            ("seLinuxOptions", context.se_linux_options),
            ("seccompProfile", context.seccomp_profile),
            ("fsGroup", context.fs_group),
            ("fsGroupChangePolicy", context.fs_group_change_policy),
            ("sysctls", context.sysctls or None),
            ("shareProcessNamespace", spec.share_process_namespace),
            ("runAsUser", context.run_as_user),
            ("runAsGroup", context.run_as_group),
            ("supplementalGroups", context.supplemental_groups or None),
            ("supplementalGroupsPolicy", context.supplemental_groups_policy),
            ("seLinuxChangePolicy", context.se_linux_change_policy),
        ):
            if value is not None:
                where = path if name == "shareProcessNamespace" else f"{path}.securityContext"
                found.append(forbidden(f"{where}.{name}", _FORBIDDEN))
    for at, container in containers_of(path, spec):
        if container.security_context is not None:
            found += _windows_container(f"{at}.securityContext", container.security_context)
    return found


def _windows_container(path: str, context: core.SecurityContext) -> FieldErrors:
    values = (
        ("appArmorProfile", context.app_armor_profile),
        ("seLinuxOptions", context.se_linux_options),
        ("seccompProfile", context.seccomp_profile),
        ("capabilities", context.capabilities),
        ("readOnlyRootFilesystem", context.read_only_root_filesystem),
        ("privileged", context.privileged),
        ("allowPrivilegeEscalation", context.allow_privilege_escalation),
        ("procMount", context.proc_mount),
        ("runAsUser", context.run_as_user),
        ("runAsGroup", context.run_as_group),
    )
    return [forbidden(f"{path}.{name}", _FORBIDDEN) for name, value in values if value is not None]
