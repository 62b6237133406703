"""What the runtime is asked to make."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilothouse.api.quantity import parse
from pilothouse.kubelet.configs import NodeView, sandbox_config
from pilothouse.kubelet.environment import ConfigError
from pilothouse.kubelet.images import REFERENCE, default_policy
from pilothouse.kubelet.options import NodeOptions
from pilothouse.kubelet.resources import container_resources, pod_resources
from pilothouse.kubelet.security import container_security
from pilothouse.seams.runtime import DNSConfig, Image, NamespaceMode, SeccompProfile
from tests.kubelet.pods import container, pod

NODE = NodeView(
    NodeOptions(name="n1", address="192.0.2.1", root=Path("/r"), cgroup_parent="/top"), DNSConfig(), {}, False
)
CAPACITY = {"memory": parse("10Gi")}
ROOT = Image("sha256:1", (), (), 1, uid=0)
NAMED = Image("sha256:1", (), (), 1, username="app")
PLAIN = Image("sha256:1", (), (), 1, uid=1000)


def resources(**more: object) -> dict[str, object]:
    return container(resources=more)


@pytest.mark.parametrize(
    ("given", "shares", "quota", "memory", "oom"),
    [
        ({}, 2, 0, 0, 1000),
        ({"requests": {"cpu": "500m", "memory": "1Gi"}}, 512, 0, 0, 900),
        ({"requests": {"cpu": "1m"}}, 2, 0, 0, 999),
        ({"limits": {"cpu": "250m"}}, 256, 25_000, 0, 999),
        ({"limits": {"cpu": "1m"}}, 2, 1_000, 0, 999),
        (
            {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
            1024,
            100_000,
            64 << 20,
            -997,
        ),
    ],
)
def test_container_resources(given: dict[str, object], shares: int, quota: int, memory: int, oom: int) -> None:
    subject = pod(container(resources=given))
    found = container_resources(subject, (subject.spec.containers or ())[0], CAPACITY, unified=False)
    assert (found.cpu_shares, found.cpu_quota, found.memory_limit, found.oom_score_adj) == (shares, quota, memory, oom)


def test_a_container_without_limits_has_those_of_its_pod() -> None:
    whole = {"requests": {"cpu": "1", "memory": "5Gi"}, "limits": {"cpu": "2", "memory": "6Gi"}}
    own = {"requests": {"memory": "1Gi"}, "limits": {"cpu": "500m"}}
    subject = pod(container("none"), container("own", resources=own), resources=whole)
    none, one = (container_resources(subject, c, CAPACITY, unified=False) for c in subject.spec.containers or ())
    assert (none.cpu_shares, none.cpu_quota, none.memory_limit) == (2048, 200_000, 6 << 30)
    assert (one.cpu_shares, one.cpu_quota, one.memory_limit) == (512, 50_000, 6 << 30)
    # What the pod asks for beyond its containers counts for each in equal parts.
    assert (none.oom_score_adj, one.oom_score_adj) == (800, 700)


def test_who_goes_last_when_memory_is_short() -> None:
    asking = container(resources={"requests": {"memory": "1Gi"}})
    sidecar = container("s", restartPolicy="Always")
    subject = pod(asking, initContainers=[sidecar])
    found = container_resources(subject, subject.spec.init_containers[0], CAPACITY, unified=False)
    assert found.oom_score_adj == 900, "a sidecar not before those it serves"
    critical = pod(priorityClassName="system-node-critical")
    assert (
        container_resources(critical, (critical.spec.containers or ())[0], CAPACITY, unified=False).oom_score_adj
        == -997
    )


def test_a_pod_is_limited_only_if_all_its_containers_are() -> None:
    limited = resources(limits={"cpu": "1", "memory": "1Gi"})
    both = pod_resources(pod(limited, {**limited, "name": "d"}))
    assert (both.cpu_quota, both.memory_limit) == (200_000, 2 << 30)
    one = pod_resources(pod(limited, container("d")))
    assert (one.cpu_quota, one.memory_limit) == (0, 0)


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, "/top/kubepods/besteffort/pod"),
        ({"requests": {"cpu": "1"}}, "/top/kubepods/burstable/pod"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}}, "/top/kubepods/pod"),
    ],
)
def test_cgroups_by_class(given: dict[str, object], folder: str) -> None:
    assert sandbox_config(pod(container(resources=given)), NODE, 0).cgroup_parent.startswith(folder)


def test_a_sandbox_carries_the_pods_identity_and_host_ports() -> None:
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]
    found = sandbox_config(pod(container(ports=ports), meta={"labels": {"a": "b"}}), NODE, 3)
    assert found.labels["io.kubernetes.pod.name"] == "web"
    assert found.labels["a"] == "b"
    assert [(p.container_port, p.host_port) for p in found.port_mappings] == [(80, 8080)]
    assert found.attempt == 3
    assert found.log_directory.startswith("/r/logs/default_web_")


def test_host_network() -> None:
    found = sandbox_config(pod(hostNetwork=True), NODE, 0)
    assert found.security.namespaces.network is NamespaceMode.NODE
    assert found.hostname == ""


@pytest.mark.parametrize(
    ("image", "context", "text"),
    [
        (ROOT, {"runAsNonRoot": True}, "container has runAsNonRoot and image will run as root"),
        (NAMED, {"runAsNonRoot": True}, "container has runAsNonRoot and image has non-numeric user (app)"),
        (PLAIN, {"runAsNonRoot": True, "runAsUser": 0}, "container's runAsUser breaks non-root policy"),
        (PLAIN, {"runAsNonRoot": True}, ""),
        (ROOT, {"runAsNonRoot": True, "runAsUser": 7}, ""),
    ],
)
def test_run_as_non_root(image: Image, context: dict[str, object], text: str) -> None:
    subject = pod(container(securityContext=context))
    spec = (subject.spec.containers or ())[0]
    if not text:
        container_security(subject, spec, image)
        return
    with pytest.raises(ConfigError) as caught:
        container_security(subject, spec, image)
    assert str(caught.value).startswith(text)


def test_a_container_overrides_its_pod() -> None:
    subject = pod(
        container(securityContext={"runAsUser": 5, "seccompProfile": {"type": "RuntimeDefault"}}),
        securityContext={"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4]},
    )
    found = container_security(subject, (subject.spec.containers or ())[0], ROOT)
    assert (found.run_as_user, found.run_as_group, list(found.supplemental_groups)) == (5, 2, [4, 3])
    assert found.seccomp is not None
    assert found.seccomp.profile is SeccompProfile.RUNTIME_DEFAULT


@pytest.mark.parametrize(
    ("reference", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("h:5000/a", "Always"),
        ("a@sha256:0", "IfNotPresent"),
    ],
)
def test_default_policy(reference: str, policy: str) -> None:
    assert default_policy(reference) == policy


@pytest.mark.parametrize("good", ["a", "a/b:1", "h.example:5000/a/b@sha256:" + "0" * 64, "localhost/x_y-z:T.1"])
def test_good_references(good: str) -> None:
    assert REFERENCE.match(good)


@pytest.mark.parametrize("bad", ["", "A", "a b", "a:", "a//b", ":1", "a@sha256:12", "-a"])
def test_bad_references(bad: str) -> None:
    assert not REFERENCE.match(bad)
