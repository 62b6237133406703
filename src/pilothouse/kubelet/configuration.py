"""KubeletConfiguration (kubelet.config.k8s.io/v1beta1): the settings of it that a cluster's nodes can have.

Read as the kubelet reads its file, strictly. A setting that is not offered is refused by name, rather than accepted
without effect. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import yaml

from pilothouse.kubelet.sysctls import namespace_of, normal_name

GROUP, KIND = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
_SYSCTL_PATTERN = re.compile(r"([a-z0-9][-_a-z0-9]*[./])*([a-z0-9][-_a-z0-9*]*)")
_LONGEST_SYSCTL = 253


class ConfigurationError(ValueError):
    """A configuration that cannot be used; the text says why."""


class KubeletConfiguration(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The document, as it lies in the file."""

    kind: str = KIND
    apiVersion: str = GROUP
    seccompDefault: bool = False
    """Whether containers that name no seccomp profile run under the runtime's own."""
    allowedUnsafeSysctls: tuple[str, ...] = ()
    """Sysctls beyond the safe ones that pods may set; one that ends in * stands for all that begin so."""
    maxPods: int = 110


def parse(text: str) -> KubeletConfiguration:
    """The document in `text` (YAML), checked; empty text is one without settings. Raises ConfigurationError."""
    try:
        found = msgspec.convert(yaml.safe_load(text) or {}, KubeletConfiguration)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        raise ConfigurationError(f"it is not YAML{f' (line {where.line + 1})' if where else ''}") from None
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error)) from None
    if (found.apiVersion, found.kind) != (GROUP, KIND):
        raise ConfigurationError(f"it is no {KIND} of {GROUP} (it says {found.apiVersion}, {found.kind})")
    if faults := list(_faults(found)):
        raise ConfigurationError("; ".join(faults))
    return found


def _faults(found: KubeletConfiguration) -> Iterator[str]:
    if found.maxPods < 0:
        yield f"maxPods (--max-pods) {found.maxPods} must not be a negative number"
    for name in found.allowedUnsafeSysctls:
        if len(name) > _LONGEST_SYSCTL or not _SYSCTL_PATTERN.fullmatch(name):
            text = f"must have at most {_LONGEST_SYSCTL} characters and match regex ^{_SYSCTL_PATTERN.pattern}$"
            yield f'sysctl "{name}" {text}'
        elif not namespace_of(normal_name(name)):
            yield f'the sysctl "{name}" is not known to be namespaced'
