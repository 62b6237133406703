"""The controls of the level `restricted`: what hardened pods do, beside all of `baseline`."""

from __future__ import annotations

from pilothouse.api.scheme import fields_of
from pilothouse.api.types.core.v1 import PodTemplateSpec, Volume
from pilothouse.apiserver.admission.podsecurity.baseline import unmasked_proc
from pilothouse.apiserver.admission.podsecurity.control import (
    Control,
    Violation,
    containers,
    contexts,
    has_own_users,
    is_windows,
    named,
    plural,
    quoted,
    setters,
)

_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_PROFILES = ("RuntimeDefault", "Localhost")


def _windows_is_free(pod: PodTemplateSpec, minor: int) -> bool:
    return minor >= 25 and is_windows(pod.spec)


def allow_privilege_escalation(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if _windows_is_free(pod, minor):
        return None
    good = {n for n, c in contexts(pod.spec) if c.allow_privilege_escalation is False}
    names = [c.name for c in containers(pod.spec) if c.name not in good]
    if not names:
        return None
    detail = f"{named('container', names)} must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", detail)


def capabilities(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if _windows_is_free(pod, minor):
        return None
    keeping, adding, added = [], [], set()
    for container in containers(pod.spec):
        context = container.security_context
        held = context.capabilities if context is not None else None
        if held is None or "ALL" not in held.drop:
            keeping.append(container.name)
        bad = set(held.add) - {"NET_BIND_SERVICE"} if held is not None else set()
        if bad:
            adding.append(container.name)
            added |= bad
    told = []
    if keeping:
        told.append(f'{named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        told.append(
            f"{named('container', adding)} must not include {quoted(sorted(added))} in securityContext.capabilities.add"
        )
    return Violation("unrestricted capabilities", "; ".join(told)) if told else None


def _volume_type(volume: Volume) -> str:
    for name, fact in fields_of(Volume).items():
        if name != "name" and getattr(volume, fact.attribute) is not None:
            return name
    return "unknown"


def volumes(pod: PodTemplateSpec, minor: int) -> Violation | None:
    bad = {v.name: t for v in pod.spec.volumes if (t := _volume_type(v)) not in _VOLUMES}
    if not bad:
        return None
    types = sorted(set(bad.values()))
    uses = plural("uses", len(bad), "use")
    detail = f"{named('volume', list(bad))} {uses} restricted volume {plural('type', len(types))} {quoted(types)}"
    return Violation("restricted volume types", detail)


def run_as_non_root(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if has_own_users(pod.spec, minor):
        return None
    whole = pod.spec.security_context.run_as_non_root if pod.spec.security_context is not None else None
    explicit, implicit = [], []
    for container in containers(pod.spec):
        own = container.security_context.run_as_non_root if container.security_context is not None else None
        if own is False:
            explicit.append(container.name)
        elif own is None and not whole:
            implicit.append(container.name)
    reason = "runAsNonRoot != true"
    if whole is False or explicit:
        return Violation(reason, f"{setters(whole is False, explicit)} must not set securityContext.runAsNonRoot=false")
    if implicit:
        return Violation(reason, f"pod or {named('container', implicit)} must set securityContext.runAsNonRoot=true")
    return None


def run_as_user(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if has_own_users(pod.spec, minor):
        return None
    by_pod = pod.spec.security_context is not None and pod.spec.security_context.run_as_user == 0
    names = [n for n, c in contexts(pod.spec) if c.run_as_user == 0]
    if not by_pod and not names:
        return None
    return Violation("runAsUser=0", f"{setters(by_pod, names)} must not set runAsUser=0")


def seccomp(pod: PodTemplateSpec, minor: int) -> Violation | None:
    if _windows_is_free(pod, minor):
        return None
    whole = pod.spec.security_context.seccomp_profile if pod.spec.security_context is not None else None
    explicit, implicit, values = [], [], set()
    by_pod = whole is not None and whole.type not in _PROFILES
    if whole is not None and by_pod:
        values.add(whole.type)
    for container in containers(pod.spec):
        own = container.security_context.seccomp_profile if container.security_context is not None else None
        if own is None and (whole is None or by_pod):
            implicit.append(container.name)
        elif own is not None and own.type not in _PROFILES:
            explicit.append(container.name)
            values.add(own.type)
    if values:
        who = setters(by_pod, explicit)
        told = f"{who} must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
        return Violation("seccompProfile", told)
    if implicit:
        who = f"pod or {named('container', implicit)}"
        told = f'{who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return Violation("seccompProfile", told)
    return None


CONTROLS = (
    Control("allowPrivilegeEscalation", allow_privilege_escalation, since=8),
    Control("capabilities_restricted", capabilities, since=22, instead_of=("capabilities_baseline",)),
    Control("procMount_restricted", unmasked_proc, since=35, instead_of=("procMount",)),
    Control("restrictedVolumes", volumes, instead_of=("hostPathVolumes",)),
    Control("runAsNonRoot", run_as_non_root),
    Control("runAsUser", run_as_user, since=23),
    Control("seccompProfile_restricted", seccomp, since=19, instead_of=("seccompProfile_baseline",)),
)
