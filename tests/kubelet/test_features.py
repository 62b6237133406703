"""What not every node can give: it is given, or refused in upstream's words, and never left out in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pilothouse.api.types.core.v1 import Node, NodeFeatures, NodeStatus, Pod, VolumeMount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.node.v1 import RuntimeClass
from pilothouse.kubelet import features
from pilothouse.kubelet.admission import Refusal, refusal
from pilothouse.kubelet.env_files import EnvFileError, lookup
from pilothouse.kubelet.environment import ConfigError, Surroundings, env_files, environment
from pilothouse.kubelet.eviction import over_limit
from pilothouse.kubelet.security import container_security
from pilothouse.kubelet.volumes.model import VolumeError
from pilothouse.seams.runtime import AppArmor, HandlerFeatures, Image, RuntimeFeatures, Seccomp, SeccompProfile
from tests.kubelet.pods import container, pod

IMAGE = Image("sha256:1", (), (), 1)
CLASSES = {"gvisor": RuntimeClass(metadata=ObjectMeta(name="gvisor"), handler="runsc")}


class Classes:
    async def runtime_class(self, name: str) -> RuntimeClass | None:
        if name == "unreachable":
            raise VolumeError("connection refused")
        return CLASSES.get(name)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ""),
        ({"runtimeClassName": "gvisor"}, "runsc"),
        ({"hostUsers": True}, ""),
        ({"runtimeClassName": "no"}, 'failed to get sandbox runtime: runtimeclasses.node.k8s.io "no" not found'),
        ({"runtimeClassName": "unreachable"}, "failed to get sandbox runtime: connection refused"),
        ({"hostUsers": False}, 'RuntimeClass handler "" does not support user namespaces'),
        (
            {"hostUsers": False, "runtimeClassName": "gvisor"},
            'RuntimeClass handler "runsc" does not support user namespaces',
        ),
    ],
)
async def test_the_handler_of_a_sandbox(spec: dict[str, Any], expected: str) -> None:
    try:
        found = await features.handler(pod(**spec), Classes())
    except features.Unsupported as refused:
        found = str(refused)
    assert found == expected


ABLE = RuntimeFeatures({"": HandlerFeatures(True), "runsc": HandlerFeatures(False)}, True)


@pytest.mark.parametrize(
    ("mode", "read_only", "handler", "expected"),
    [
        (None, True, "", False),
        ("Disabled", True, "", False),
        ("Enabled", True, "", True),
        ("IfPossible", True, "", True),
        ("IfPossible", True, "runsc", False),
        ("IfPossible", False, "", False),
        ("Enabled", True, "runsc", None),
        ("Enabled", True, "unknown", None),
    ],
)
def test_recursive_read_only(mode: str | None, read_only: bool, handler: str, expected: bool | None) -> None:
    mount = VolumeMount(name="v", mount_path="/v", recursive_read_only=mode)
    if expected is None:
        with pytest.raises(ConfigError, match="not supported by the runtime"):
            features.recursive_read_only(mount, read_only, ABLE, handler)
    else:
        assert features.recursive_read_only(mount, read_only, ABLE, handler) is expected


def confined(kind: str, *, of_pod: bool = False, **more: str) -> Pod:
    context = {"appArmorProfile": {"type": kind, **more}}
    if of_pod:
        return pod(securityContext=context)
    return pod(container(securityContext=context))


@pytest.mark.parametrize(
    ("subject", "profile"),
    [
        (pod(), None),
        (confined("RuntimeDefault"), AppArmor(SeccompProfile.RUNTIME_DEFAULT)),
        (confined("Unconfined"), AppArmor(SeccompProfile.UNCONFINED)),
        (confined("Localhost", localhostProfile="mine"), AppArmor(SeccompProfile.LOCALHOST, "mine")),
        (confined("RuntimeDefault", of_pod=True), AppArmor(SeccompProfile.RUNTIME_DEFAULT)),
    ],
)
def test_apparmor_profiles_reach_the_runtime(subject: Pod, profile: AppArmor | None) -> None:
    assert container_security(subject, (subject.spec.containers or ())[0], IMAGE).apparmor == profile


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (pod(), None),
        (confined("Unconfined"), None),
        (confined("RuntimeDefault"), "AppArmor"),
        (confined("Localhost", of_pod=True, localhostProfile="mine"), "AppArmor"),
        (pod(securityContext={"supplementalGroupsPolicy": "Merge"}), None),
        (pod(securityContext={"supplementalGroupsPolicy": "Strict"}), "SupplementalGroupsPolicyNotSupported"),
    ],
)
def test_a_node_that_cannot_protect_refuses(subject: Pod, reason: str | None) -> None:
    poor = Node(metadata=ObjectMeta(name="n1"), status=NodeStatus(features=NodeFeatures()))
    refused = refusal(subject, (), poor, {}, apparmor=False)
    assert (refused.reason if refused is not None else None) == reason
    status = replace(poor.status, features=NodeFeatures(supplemental_groups_policy=True))
    assert refusal(subject, (), replace(poor, status=status), {}, apparmor=True) is None
    if reason == "AppArmor":
        assert refused == Refusal("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")


def test_whether_the_machine_has_apparmor(tmp_path: Path) -> None:
    switch = tmp_path / "enabled"
    assert not features.apparmor_enabled(switch)
    switch.write_text("Y\n")
    assert features.apparmor_enabled(switch)


def test_seccomp_by_default() -> None:
    subject = pod()
    one = (subject.spec.containers or ())[0]
    assert container_security(subject, one, IMAGE).seccomp == Seccomp(SeccompProfile.UNCONFINED)
    default = container_security(subject, one, IMAGE, seccomp_default=True)
    assert default.seccomp == Seccomp(SeccompProfile.RUNTIME_DEFAULT)


FILE = """# settings
A='one'
  B='two # not a comment' # a comment
C='several
lines'
D= 'shown to nobody'
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [("A", "one"), ("B", "two # not a comment"), ("C", "several\nlines"), ("D", ""), ("E", None)],
)
def test_files_of_variables(key: str, value: str | None) -> None:
    assert lookup(FILE, key) == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("A", "invalid environment variable format at line 1: missing '='"),
        ("\n='x'", "invalid environment variable format at line 2: empty variable name"),
        ("A ='x'", "invalid environment variable format at line 1: whitespace before '=' is not allowed"),
        ("A=x", "invalid environment variable format at line 1: value must be enclosed in single quotes"),
        ("A='x' y", "invalid environment variable format at line 1: unexpected content after closing quote"),
        ("\nA='x\n", "invalid environment variable format starting at line 2: unclosed single quote"),
    ],
)
def test_what_is_no_file_of_variables(text: str, why: str) -> None:
    with pytest.raises(EnvFileError) as refused:
        lookup(text, "Z")
    assert str(refused.value) == why


def of_file(key: str, *, optional: bool = False) -> tuple[Pod, Any]:
    source = {"fileKeyRef": {"volumeName": "v", "path": "app.env", "key": key, "optional": optional}}
    subject = pod(container(env=[{"name": "X", "valueFrom": source}]))
    return subject, (subject.spec.containers or ())[0]


def test_variables_from_files() -> None:
    subject, one = of_file("A")
    assert list(env_files(one)) == [("v", "app.env")]
    assert environment(subject, one, Surroundings(env_files={("v", "app.env"): FILE.encode()})) == {"X": "one"}
    subject, one = of_file("E", optional=True)
    assert environment(subject, one, Surroundings(env_files={("v", "app.env"): FILE.encode()})) == {}
    assert environment(subject, one, Surroundings(env_files={("v", "app.env"): None})) == {}
    subject, one = of_file("E")
    with pytest.raises(ConfigError, match='environment variable key "E" not found in file'):
        environment(subject, one, Surroundings(env_files={("v", "app.env"): None}))
    with pytest.raises(ConfigError, match="couldn't parse env file"):
        environment(subject, one, Surroundings(env_files={("v", "app.env"): b"nonsense"}))


MIB = 1 << 20


def test_a_containers_own_storage_limit_holds_beside_one_without() -> None:
    limited = container(name="a", resources={"limits": {"ephemeral-storage": "1Mi"}})
    subject = pod(limited, container(name="b"))
    assert "total limit of containers 1Mi" in over_limit(subject, {}, MIB + 1, {"a": 0, "b": MIB + 1})
    both = pod(limited, container(name="b", resources={"limits": {"ephemeral-storage": "9Mi"}}))
    assert over_limit(both, {}, 3 * MIB, {"a": MIB, "b": 2 * MIB}) == ""
    expected = 'Container a exceeded its local ephemeral storage limit "1Mi". '
    assert over_limit(both, {}, 3 * MIB, {"a": MIB + 1, "b": MIB}) == expected
