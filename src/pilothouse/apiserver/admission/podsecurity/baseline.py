"""The controls of the level `baseline`: nothing that is known to break out."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.api import go_text
from pilothouse.api.types.core.v1 import LifecycleHandler, PodTemplateSpec, Probe, SELinuxOptions
from pilothouse.apiserver.admission.podsecurity.control import (
    AnyContainer,
    Control,
    Violation,
    containers,
    contexts,
    has_own_users,
    named,
    plural,
    quoted,
    setters,
)

_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SELINUX = {"": 0, "container_t": 0, "container_init_t": 0, "container_kvm_t": 0, "container_engine_t": 31}
_SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
}
# The types of AppArmor and seccomp profiles that confine.
_CONFINED = ("RuntimeDefault", "Localhost")
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def app_armor(pod: PodTemplateSpec, minor: int) -> Violation | None:
    context = pod.spec.security_context
    profile = context.app_armor_profile if context is not None else None
    by_pod = profile is not None and profile.type not in _CONFINED
    bad = {n: c.app_armor_profile.type for n, c in contexts(pod.spec) if c.app_armor_profile is not None}
    bad = {name: type_ for name, type_ in bad.items() if type_ not in _CONFINED}
    annotations = [
        f"{key}={go_text.quote(value)}"
        for key, value in sorted(pod.metadata.annotations.items())
        if key.startswith(_APPARMOR_ANNOTATION)
        and value not in ("", "runtime/default")
        and not value.startswith("localhost/")
    ]
    who = setters(by_pod, list(bad))
    if annotations:
        who = " and ".join(filter(None, [who, plural("annotation", len(annotations))]))
    types = {*bad.values(), *([profile.type] if profile is not None and by_pod else [])}
    values = sorted(types) + annotations
    if not values:
        return None
    reason = plural("forbidden AppArmor profile", len(values))
    return Violation(reason, f"{who} must not set AppArmor profile type to {quoted(values)}")


def capabilities(pod: PodTemplateSpec, minor: int) -> Violation | None:
    names, bad = [], set()
    for name, context in contexts(pod.spec):
        added = set(context.capabilities.add) - _CAPABILITIES if context.capabilities is not None else set()
        if added:
            names.append(name)
            bad |= added
    if not names:
        return None
    detail = f"{named('container', names)} must not include {quoted(sorted(bad))} in securityContext.capabilities.add"
    return Violation("non-default capabilities", detail)


def host_namespaces(pod: PodTemplateSpec, minor: int) -> Violation | None:
    spec = pod.spec
    shared = {"hostNetwork": spec.host_network, "hostPID": spec.host_pid, "hostIPC": spec.host_ipc}
    found = [f"{name}=true" for name, on in shared.items() if on]
    return Violation("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(pod: PodTemplateSpec, minor: int) -> Violation | None:
    found = [v.name for v in pod.spec.volumes if v.host_path is not None]
    return Violation("hostPath volumes", named("volume", found)) if found else None


def host_ports(pod: PodTemplateSpec, minor: int) -> Violation | None:
    names, ports = [], set()
    for container in containers(pod.spec):
        own = {p.host_port for p in container.ports if p.host_port}
        if own:
            names.append(container.name)
            ports |= own
    if not names:
        return None
    told = ", ".join(sorted(map(str, ports)))
    detail = f"{named('container', names)} {plural('uses', len(names), 'use')} {plural('hostPort', len(ports))} {told}"
    return Violation("hostPort", detail)


def host_probes(pod: PodTemplateSpec, minor: int) -> Violation | None:
    names, hosts = [], set()
    for container in containers(pod.spec):
        own = {h for h in _hosts(container) if h}
        if own:
            names.append(container.name)
            hosts |= own
    if not names:
        return None
    uses, host = plural("uses", len(names), "use"), plural("host", len(hosts))
    detail = f"{named('container', sorted(names))} {uses} probe or lifecycle {host} {quoted(sorted(hosts))}"
    return Violation("probe or lifecycle host", detail)


def _hosts(container: AnyContainer) -> Iterator[str]:
    handlers: list[Probe | LifecycleHandler | None] = [
        container.liveness_probe,
        container.readiness_probe,
        container.startup_probe,
    ]
    if container.lifecycle is not None:
        handlers += [container.lifecycle.post_start, container.lifecycle.pre_stop]
    for handler in handlers:
        if handler is not None and handler.http_get is not None:
            yield handler.http_get.host
        if handler is not None and handler.tcp_socket is not None:
            yield handler.tcp_socket.host


def privileged(pod: PodTemplateSpec, minor: int) -> Violation | None:
    names = [n for n, c in contexts(pod.spec) if c.privileged]
    if not names:
        return None
    return Violation("privileged", f"{named('container', names)} must not set securityContext.privileged=true")


def proc_mount(pod: PodTemplateSpec, minor: int) -> Violation | None:
    return None if has_own_users(pod.spec, minor) else unmasked_proc(pod, minor)


def unmasked_proc(pod: PodTemplateSpec, minor: int) -> Violation | None:
    """That no container sees more of /proc than usual, whoever its users are."""
    bad = {n: c.proc_mount for n, c in contexts(pod.spec) if c.proc_mount not in (None, "Default")}
    if not bad:
        return None
    values = quoted(sorted({str(v) for v in bad.values()}))
    return Violation("procMount", f"{named('container', list(bad))} must not set securityContext.procMount to {values}")


def selinux(pod: PodTemplateSpec, minor: int) -> Violation | None:
    types: set[str] = set()
    user = role = False

    def bad(options: SELinuxOptions | None) -> bool:
        nonlocal user, role
        if options is None:
            return False
        wrong_type = _SELINUX.get(options.type, minor + 1) > minor
        if wrong_type:
            types.add(options.type)
        user, role = user or bool(options.user), role or bool(options.role)
        return wrong_type or bool(options.user) or bool(options.role)

    by_pod = bad(pod.spec.security_context.se_linux_options if pod.spec.security_context else None)
    names = [n for n, c in contexts(pod.spec) if bad(c.se_linux_options)]
    if not by_pod and not names:
        return None
    told = [f"{plural('type', len(types))} {quoted(sorted(types))}"] if types else []
    told += ["user may not be set"] if user else []
    told += ["role may not be set"] if role else []
    detail = f"{setters(by_pod, names)} set forbidden securityContext.seLinuxOptions: {'; '.join(told)}"
    return Violation("seLinuxOptions", detail)


def seccomp(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if minor < 19:
        return _seccomp_annotations(pod)
    context = pod.spec.security_context
    profile = context.seccomp_profile if context is not None else None
    bad = {n: c.seccomp_profile.type for n, c in contexts(pod.spec) if c.seccomp_profile is not None}
    bad = {name: type_ for name, type_ in bad.items() if type_ not in _CONFINED}
    values = set(bad.values())
    by_pod = profile is not None and profile.type not in _CONFINED
    if profile is not None and by_pod:
        values.add(profile.type)
    if not values:
        return None
    who = setters(by_pod, list(bad))
    told = f"{who} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Violation("seccompProfile", told)


def _seccomp_annotations(pod: PodTemplateSpec) -> Violation | None:
    keys = [_SECCOMP_POD, *(_SECCOMP_CONTAINER + c.name for c in containers(pod.spec))]
    held = pod.metadata.annotations
    found = sorted(f"{k}={go_text.quote(held[k])}" for k in set(keys) if k in held and not _seccomp_allowed(held[k]))
    if not found:
        return None
    return Violation("seccompProfile", f"forbidden {plural('annotation', len(found))} {', '.join(found)}")


def _seccomp_allowed(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def sysctls(pod: PodTemplateSpec, minor: int) -> Violation | None:
    held = pod.spec.security_context.sysctls if pod.spec.security_context is not None else ()
    found = [s.name for s in held if _SYSCTLS.get(s.name, minor + 1) > minor]
    return Violation("forbidden sysctls", ", ".join(found)) if found else None


def host_process(pod: PodTemplateSpec, minor: int) -> Violation | None:
    context = pod.spec.security_context
    windows = context.windows_options if context is not None else None
    by_pod = windows is not None and bool(windows.host_process)
    names = [n for n, c in contexts(pod.spec) if c.windows_options is not None and c.windows_options.host_process]
    if not by_pod and not names:
        return None
    detail = f"{setters(by_pod, names)} must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", detail)


# In the order of their names, which is the order that violations are told in.
CONTROLS = (
    Control("appArmorProfile", app_armor),
    Control("capabilities_baseline", capabilities),
    Control("hostNamespaces", host_namespaces),
    Control("hostPathVolumes", host_path_volumes),
    Control("hostPorts", host_ports),
    Control("hostProbesAndHostLifecycle", host_probes, since=34),
    Control("privileged", privileged),
    Control("procMount", proc_mount),
    Control("seLinuxOptions", selinux),
    Control("seccompProfile_baseline", seccomp),
    Control("sysctls", sysctls),
    Control("windowsHostProcess", host_process),
)
