"""Levels and versions as a namespace's labels give them, and what a pod breaks of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pilothouse.api.field_errors import FieldErrors, invalid
from pilothouse.api.types.core.v1 import PodTemplateSpec
from pilothouse.apiserver.admission.podsecurity import baseline, restricted
from pilothouse.apiserver.admission.podsecurity.control import LATEST, Control, Violation

PREFIX = "pod-security.kubernetes.io/"
PRIVILEGED, BASELINE, RESTRICTED = "privileged", "baseline", "restricted"
LEVELS = (PRIVILEGED, BASELINE, RESTRICTED)
# No more digits than a 64-bit integer holds.
_VERSION = re.compile(r"v1\.(0|[1-9][0-9]{0,17})\Z")


class Standard(NamedTuple):
    """A level at a version: `latest`, or `v1.N`."""

    level: str = PRIVILEGED
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int:
        match = _VERSION.match(self.version)
        return int(match.group(1)) if match else LATEST


class Policy(NamedTuple):
    """What a namespace enforces, records and warns of."""

    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()


_NO_POLICY = Policy()


def policy_of(labels: Mapping[str, str]) -> Policy:
    """The policy of a namespace. A level to enforce that is not readable counts as restricted, others as privileged.
    Without a level to warn of, the one that is enforced is it, and its version unless there is one to warn of."""
    if not any(key.startswith(PREFIX) for key in labels):
        return _NO_POLICY
    enforce, warn = _standard(labels, "enforce", RESTRICTED), _standard(labels, "warn", PRIVILEGED)
    readable = labels.get(PREFIX + "enforce", PRIVILEGED) in LEVELS
    if PREFIX + "warn" not in labels and readable and enforce.level != PRIVILEGED:
        warn = Standard(enforce.level, warn.version if f"{PREFIX}warn-version" in labels else enforce.version)
    return Policy(enforce, _standard(labels, "audit", PRIVILEGED), warn)


def _standard(labels: Mapping[str, str], mode: str, unreadable: str) -> Standard:
    level = labels.get(PREFIX + mode, PRIVILEGED)
    version = labels.get(f"{PREFIX}{mode}-version", "latest")
    if version != "latest" and not _VERSION.match(version):
        version = "latest"
    return Standard(level if level in LEVELS else unreadable, version)


def label_errors(labels: Mapping[str, str]) -> FieldErrors:
    """The labels that name no level or version."""
    errors: FieldErrors = []
    for mode in ("enforce", "audit", "warn"):
        level = labels.get(PREFIX + mode)
        if level is not None and level not in LEVELS:
            path = f"metadata.labels[{PREFIX}{mode}]"
            errors.append(invalid(path, level, "must be one of privileged, baseline, restricted"))
        version = labels.get(f"{PREFIX}{mode}-version")
        if version is not None and version != "latest" and not _VERSION.match(version):
            path = f"metadata.labels[{PREFIX}{mode}-version]"
            errors.append(invalid(path, version, 'must be "latest" or "v1.x"'))
    return errors


@functools.lru_cache(maxsize=256)
def controls(level: str, minor: int) -> Sequence[Control]:
    """The controls of a level at a version: those of baseline first, without those that restricted replaces."""
    if level == PRIVILEGED:
        return ()
    strict = [c for c in restricted.CONTROLS if c.since <= minor] if level == RESTRICTED else []
    replaced = {name for c in strict for name in c.instead_of}
    return tuple(c for c in baseline.CONTROLS if c.since <= minor and c.name not in replaced) + tuple(strict)


def violations(standard: Standard, pod: PodTemplateSpec) -> list[Violation]:
    """Everything that `pod` breaks of `standard`."""
    minor = standard.minor
    found = (c.check(pod, minor) for c in controls(standard.level, minor))
    return [v for v in found if v is not None]
