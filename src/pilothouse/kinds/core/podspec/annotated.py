"""Annotations of pods that mean something to the API: mirrors, deletion costs, and profiles from before they were
fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from pilothouse.api.codec.json import decode
from pilothouse.api.field_errors import FieldError, FieldErrors, forbidden, invalid
from pilothouse.api.go_text import quote
from pilothouse.api.integers import integer
from pilothouse.api.types.core import v1 as core
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kinds.core.podspec import checks, placement
from pilothouse.kinds.core.podspec.groups import containers_of

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
_COST = re.compile(r"(0|-?[1-9][0-9]*)\Z", re.ASCII)
_SECCOMP_NAMES = frozenset({"runtime/default", "docker/default", "unconfined"})
_LOCAL = "localhost/"
_SECCOMP_TYPES = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault", "docker/default": "RuntimeDefault"}
_APPARMOR_TYPES = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}


def validate(path: str, found: Mapping[str, str], spec: core.PodSpec) -> FieldErrors:
    """Annotations of a pod or template; `path` is theirs."""
    if not found:
        return []
    errors: FieldErrors = []
    if MIRROR in found and not spec.node_name:
        detail = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{MIRROR}]", found[MIRROR], detail))
    if found.get(TOLERATIONS):
        errors += _tolerations(path, found[TOLERATIONS])
    cost = found.get(DELETION_COST)
    if cost is not None and not (_COST.match(cost) and -(2**31) <= (integer(cost) or 0) < 2**31):
        errors.append(invalid(f"{path}[{DELETION_COST}]", cost, "must be a 32bit integer"))
    for key, text in found.items():
        if key == SECCOMP_POD or key.startswith(SECCOMP_PREFIX):
            errors += _seccomp(f"{path}.{key}", text)
        elif key.startswith(APPARMOR_PREFIX):
            errors += _apparmor(f"{path}[{key}]", key.removeprefix(APPARMOR_PREFIX), text, spec)
    return errors


def _tolerations(path: str, text: str) -> FieldErrors:
    try:
        found = decode(text.encode(), tuple[core.Toleration, ...])
    except (msgspec.DecodeError, ValueError) as error:
        return [invalid(path, TOLERATIONS, str(error))]
    return placement.tolerations(f"{path}.{TOLERATIONS}", found)


def _seccomp(path: str, text: str) -> FieldErrors:
    if text in _SECCOMP_NAMES:
        return []
    if text.startswith(_LOCAL):
        return checks.descending(path, text.removeprefix(_LOCAL))
    return [invalid(path, text, "must be a valid seccomp profile")]


def _apparmor(path: str, name: str, text: str, spec: core.PodSpec) -> FieldErrors:
    errors: FieldErrors = []
    if all(container.name != name for _, container in containers_of("", spec)):
        errors.append(invalid(path, name, "container not found"))
    if text and text not in _APPARMOR_TYPES and not text.startswith(_LOCAL):
        errors.append(invalid(path, text, f"invalid AppArmor profile name: {quote(text)}"))
    return errors


def changed(path: str, new: core.Pod, old: core.Pod) -> FieldErrors:
    """What an update may not do to the annotations of a pod, and what is wrong with those it leaves."""
    after, before = new.metadata.annotations, old.metadata.annotations
    if not after and not before:
        return []
    errors: FieldErrors = []
    for key in {**before, **after}:
        if after.get(key) == before.get(key):
            continue
        what = "AppArmor annotations" if key.startswith(APPARMOR_PREFIX) else ""
        what = "mirror pod annotation" if key == MIRROR else what
        if what:
            errors.append(
                forbidden(f"{path}[{key}]", f"may not {'remove or update' if key in before else 'add'} {what}")
            )
    return errors + validate(path, after, new.spec)


def agreeing(path: str, meta: ObjectMeta, spec: core.PodSpec) -> FieldErrors:
    """Profiles that are both annotated and set must be the same; `path` is the spec's."""
    found = meta.annotations
    if not any(key.startswith((SECCOMP_POD, SECCOMP_PREFIX, APPARMOR_PREFIX)) for key in found):
        return []
    errors: FieldErrors = []
    context = spec.security_context
    if context is not None and context.seccomp_profile is not None and SECCOMP_POD in found:
        at = f"{path}.securityContext.seccompProfile"
        errors += _same("seccomp", at, found[SECCOMP_POD], context.seccomp_profile, _SECCOMP_TYPES)
    windows = spec.os is not None and spec.os.name == "windows"
    shared = context.app_armor_profile if context is not None else None
    for at, container in containers_of(path, spec):
        own = container.security_context
        seccomp = own.seccomp_profile if own is not None else None
        apparmor = (own.app_armor_profile if own is not None else None) or shared
        text = found.get(SECCOMP_PREFIX + container.name)
        if seccomp is not None and text is not None:
            errors += _same("seccomp", f"{at}.securityContext.seccompProfile", text, seccomp, _SECCOMP_TYPES)
        text = found.get(APPARMOR_PREFIX + container.name)
        if apparmor is not None and text is not None and not windows:
            errors += _same("apparmor", f"{at}.securityContext.appArmorProfile", text, apparmor, _APPARMOR_TYPES)
    return errors


def _same(
    what: str, path: str, text: str, profile: core.SeccompProfile | core.AppArmorProfile, types: Mapping[str, str]
) -> list[FieldError]:
    if profile.type == "Localhost" and text.startswith(_LOCAL):
        if profile.localhost_profile == text.removeprefix(_LOCAL):
            return []
        return [forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")]
    if profile.type not in ("Localhost", "RuntimeDefault", "Unconfined") or types.get(text) == profile.type:
        return []
    return [forbidden(f"{path}.type", f"{what} type in annotation and field must match")]
