"""The settings of nodes: what of KubeletConfiguration is read, and what is refused."""

from __future__ import annotations

import pathlib

import pytest

from pilothouse.api.types.core.v1 import Node
from pilothouse.house.kubelet_config import configured, kubelet_config_as_asked, same_settings
from pilothouse.house.spec import ClusterSpec
from pilothouse.kubelet.admission import refusal
from pilothouse.kubelet.configuration import ConfigurationError, parse
from pilothouse.seams.house import HouseError, UpRequest
from tests.kubelet.pods import pod
from tests.kubelet.world import OPTIONS

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
SPEC = ClusterSpec("c", "simulated", 6443, "192.0.2.1", "192.0.2.0/24", "10.244.0.0/16")


def asked(tmp_path: pathlib.Path, text: str) -> ClusterSpec:
    file = tmp_path / "kubelet.yaml"
    file.write_text(text)
    return kubelet_config_as_asked(SPEC, UpRequest("c", None, None, kubelet_config=file))


def test_settings_reach_the_nodes_options(tmp_path: pathlib.Path) -> None:
    spec = asked(tmp_path, HEAD + "seccompDefault: true\nallowedUnsafeSysctls: [kernel.msg*]\nmaxPods: 7\n")
    found = configured(OPTIONS, spec)
    assert (found.seccomp_default, found.allowed_sysctls, found.max_pods) == (True, ("kernel.msg*",), 7)
    assert not same_settings(SPEC, spec)
    assert same_settings(spec, kubelet_config_as_asked(spec, UpRequest("c", None, None))), "kept unless asked"
    usual = configured(OPTIONS, SPEC)
    assert (usual.seccomp_default, usual.allowed_sysctls, usual.max_pods) == (False, (), 110)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "failSwapOn: true", "Object contains unknown field `failSwapOn`"),
        (HEAD + "seccompDefault: sometimes", "Expected `bool`"),
        (HEAD + "maxPods: -1", "maxPods \\(--max-pods\\) -1 must not be a negative number"),
        (HEAD + "allowedUnsafeSysctls: [vm.swappiness]", 'the sysctl "vm.swappiness" is not known to be namespaced'),
        (HEAD + "allowedUnsafeSysctls: [Net.x]", 'sysctl "Net.x" must have at most 253 characters'),
        ("kind: Pod", "it is no KubeletConfiguration"),
        ("a: [", "it is not YAML"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(tmp_path: pathlib.Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        parse(text)
    with pytest.raises(HouseError, match="the kubelet configuration cannot be used"):
        asked(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "allowed", "spec", "message"),
    [
        ("kernel.msgmax", ["kernel.msg*"], {}, ""),
        ("kernel/msgmax", ["kernel/msg*"], {}, ""),
        ("kernel.sem", ["kernel.msg*"], {}, 'forbidden sysctl: "kernel.sem" not allowlisted'),
        ("net.ipv4.conf.eth0/1.forwarding", ["net/ipv4/conf/eth0.1/forwarding"], {}, ""),
        (
            "kernel.msgmax",
            ["kernel.msg*"],
            {"hostIPC": True},
            'forbidden sysctl: "kernel.msgmax" not allowed with host ipc enabled',
        ),
    ],
)
def test_sysctls_beyond_the_safe_ones(name: str, allowed: list[str], spec: dict[str, object], message: str) -> None:
    subject = pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)
    no = refusal(subject, [], Node(), {}, allowed_sysctls=allowed)
    assert (no.message if no else "") == message
