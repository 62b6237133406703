"""The settings of a cluster's nodes: the KubeletConfiguration that `up` was given."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from pilothouse.house.given_files import text_of
from pilothouse.house.spec import ClusterSpec
from pilothouse.kubelet.configuration import ConfigurationError, KubeletConfiguration, parse
from pilothouse.kubelet.options import NodeOptions
from pilothouse.seams.house import HouseError, UpRequest


def kubelet_config_as_asked(spec: ClusterSpec, request: UpRequest) -> ClusterSpec:
    """`spec` with the settings that `request` asks for. Raises HouseError for a file that cannot be used."""
    if request.kubelet_config is None:
        return spec
    text = text_of(request.kubelet_config, "kubelet configuration")
    _read(text)
    return msgspec.structs.replace(spec, kubelet_config=text)


def same_settings(one: ClusterSpec, other: ClusterSpec) -> bool:
    """Whether nodes that run for `one` have the settings that they would have for `other`."""
    return one.kubelet_config == other.kubelet_config


def configured(options: NodeOptions, spec: ClusterSpec) -> NodeOptions:
    """A node's options with the cluster's settings."""
    found = _read(spec.kubelet_config)
    return replace(
        options,
        seccomp_default=found.seccompDefault,
        allowed_sysctls=found.allowedUnsafeSysctls,
        max_pods=found.maxPods,
    )


def _read(text: str) -> KubeletConfiguration:
    try:
        return parse(text)
    except ConfigurationError as error:
        raise HouseError(f"the kubelet configuration cannot be used: {error}") from None
