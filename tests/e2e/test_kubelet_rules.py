"""Rules of upstream's that each need a word of the kubelet or the proxy: what they do with it on real nodes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e import web
from tests.e2e.cluster import CLOCK, Cluster, eventually, fetch

pytestmark = pytest.mark.e2e
NODE = "node-1"
SERVE = "mkdir -p /tmp/w; echo hello > /tmp/w/index.html; exec httpd -f -p 8080 -h /tmp/w"


def pod(name: str, command: str = "sleep 100000", spec: str = "{}", container: str = "{}") -> str:
    """A manifest; `spec` and `container` are JSON of what it has besides."""
    one = {"name": "c", "image": web.IMAGES[0], "command": ["sh", "-c", command], **json.loads(container)}
    tree = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "rules", "rules": name}},
        "spec": {"nodeName": NODE, "terminationGracePeriodSeconds": 1, "containers": [one], **json.loads(spec)},
    }
    return json.dumps(tree)


READY = {
    "parts": pod(
        "parts",
        spec='{"securityContext": {"fsGroup": 77}, "volumes": [{"name": "d", "emptyDir": {}}, '
        '{"name": "m", "emptyDir": {"medium": "Memory"}}]}',
        container='{"volumeMounts": [{"name": "d", "mountPath": "/d"}, {"name": "m", "mountPath": "/m"}, '
        '{"name": "d", "mountPath": "/p", "subPath": "a/b"}, {"name": "m", "mountPath": "/q", "subPath": "a/b"}]}',
    ),
    "named": pod(
        "named",
        spec='{"hostname": "hn", "subdomain": "sd", "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["one", "two"]}], '
        '"securityContext": {"sysctls": [{"name": "net/ipv4/ip_local_port_range", "value": "2000 3000"}]}}',
    ),
    "serves": pod("serves", SERVE),
    "sleepy": pod(
        "sleepy",
        "trap exit TERM; while :; do sleep 0.1; done",
        spec='{"terminationGracePeriodSeconds": 300}',
        container='{"lifecycle": {"preStop": {"sleep": {"seconds": 200}}}}',
    ),
}
OTHERS = {
    "windows": pod("windows", spec='{"os": {"name": "windows"}}'),
    "sysctl": pod("sysctl", spec='{"securityContext": {"sysctls": [{"name": "kernel/msgmax", "value": "1"}]}}'),
    "pages": pod(
        "pages",
        spec='{"volumes": [{"name": "h", "emptyDir": {"medium": "HugePages"}}]}',
        container='{"volumeMounts": [{"name": "h", "mountPath": "/h"}]}',
    ),
    "gated": pod("gated", spec='{"readinessGates": [{"conditionType": "example.com/gate"}]}'),
    "fails": pod("fails", "exit 3", spec='{"restartPolicy": "Never"}'),
}
SERVICES = "\n---\n".join(
    f"""
apiVersion: v1
kind: Service
metadata: {{name: rules-{name}, labels: {{app: rules}}}}
spec: {{selector: {{rules: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""
    for name in ("serves", "gated")
)


def ended_with_3(cluster: Cluster) -> int:
    text = cluster.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/metrics").stdout
    labels = 'container_type="container",exit_code="3",reason="Error"'
    found = re.search(f"^kubelet_terminated_containers_total{{{labels}}} (\\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.fixture(scope="module")
def rules(cluster: Cluster) -> Iterator[Cluster]:
    try:
        cluster.apply("\n---\n".join([*READY.values(), *OTHERS.values(), SERVICES]))
        cluster.kubectl("wait", "pod", *READY, "--for=condition=Ready", "--timeout=30s")
        yield cluster
    finally:
        cluster.kubectl("delete", "pod,service", "-l", "app=rules", "--now")


@pytest.mark.parametrize(
    ("name", "reason", "message"),
    [
        ("windows", "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
        ("sysctl", "SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
    ],
)
def test_what_a_node_cannot_run_is_rejected(rules: Cluster, name: str, reason: str, message: str) -> None:
    status = eventually(
        lambda: (s := rules.get("pod", name)["status"])["phase"] == "Failed" and s, 10, "it is rejected"
    )
    assert (status["reason"], status["message"]) == (reason, message)


def test_huge_pages_that_nobody_asked_for_are_not_mounted(rules: Cluster) -> None:
    def messages() -> list[str]:
        events = rules.get("events", "--field-selector", "involvedObject.name=pages,reason=FailedMount")["items"]
        return [event["message"] for event in events]

    text = "medium HugePages: hugePages storage requested, but there is no resource request for huge pages"
    found = eventually(messages, 10, "a mount fails")
    assert found[0] == f'MountVolume.SetUp failed for volume "h" : {text}'


def test_missing_sub_paths_have_the_volumes_mode(rules: Cluster) -> None:
    modes = rules.kubectl("exec", "parts", "--", "stat", "-c", "%a %g", "/d", "/p", "/m", "/q").stdout
    assert modes.splitlines() == ["2777 77", "2777 77", "3777 77", "3777 77"]


def test_hosts_and_sysctls_with_slashes(rules: Cluster) -> None:
    address = rules.get("pod", "named")["status"]["podIP"]
    lines = rules.kubectl("exec", "named", "--", "cat", "/etc/hosts").stdout.splitlines()
    assert lines[:2] == ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost"]
    own = lines.index(f"{address}\thn.sd.default.svc.cluster.local\thn")
    assert lines[own + 1 :] == ["", "# Entries added by HostAliases.", "192.0.2.7\tone\ttwo"]
    ports = rules.kubectl("exec", "named", "--", "cat", "/proc/sys/net/ipv4/ip_local_port_range").stdout
    assert ports.split() == ["2000", "3000"]


def test_endpoints_follow_a_readiness_gate_both_ways(rules: Cluster) -> None:
    address = eventually(lambda: rules.get("pod", "gated")["status"].get("podIP"), 20, "it has an address")

    def gate(value: str, expected: set[str]) -> None:
        body = {"status": {"conditions": [{"type": "example.com/gate", "status": value}]}}
        rules.kubectl("patch", "pod", "gated", "--subresource=status", "-p", json.dumps(body))
        eventually(lambda: rules.endpoints("rules-gated") == expected, 10, f"endpoints while the gate is {value}")
        ready = {c["type"]: c for c in rules.get("pod", "gated")["status"]["conditions"]}["Ready"]
        assert (ready["status"], ready.get("reason")) == (value, None if value == "True" else "ReadinessGatesNotReady")

    gate("True", {address})
    gate("False", set())
    gate("True", {address})


def test_another_proxys_service_is_left_alone_from_then_on(rules: Cluster) -> None:
    address = rules.get("service", "rules-serves")["spec"]["clusterIP"]
    script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | timeout 2 nc {address} 80 | tail -n 1"

    def served() -> bool:
        return rules.kubectl("exec", "parts", "--", "sh", "-c", script, check=False).stdout.strip() == "hello"

    label = "service.kubernetes.io/service-proxy-name"
    eventually(served, 10, "it is served")
    try:
        rules.kubectl("label", "service", "rules-serves", f"{label}=another")
        eventually(lambda: not served(), 10, "it is not ours any more")
    finally:
        rules.kubectl("label", "service", "rules-serves", f"{label}-")
    eventually(served, 10, "it is ours again")


def test_each_proxy_tells_of_its_health(rules: Cluster) -> None:
    for address in rules.node_addresses():
        told = json.loads(fetch(address, 10256, "/healthz"))
        assert told["nodeEligible"] is True
        assert fetch(address, 10256, "/livez")


def test_logs_of_a_node_are_read_through_the_proxy(rules: Cluster) -> None:
    below = f"/api/v1/nodes/{NODE}/proxy/logs/"
    assert '<a href="pods/">pods/</a>' in rules.kubectl("get", "--raw", below).stdout
    listed = rules.kubectl("get", "--raw", f"{below}containers/").stdout
    assert re.search(r'href="serves_default_c-[0-9a-f]{64}\.log"', listed)
    refused = rules.kubectl("get", "--raw", f"{below}nosuch", check=False)
    assert "NotFound" in refused.stderr


def test_ends_of_containers_are_counted_by_exit_code(rules: Cluster) -> None:
    eventually(lambda: rules.get("pod", "fails")["status"]["phase"] == "Failed", 20, "it has failed")
    eventually(lambda: ended_with_3(rules) > 0, 10, "it is counted")


def test_a_hook_that_sleeps_is_cut_short_with_the_grace(rules: Cluster) -> None:
    rules.kubectl("delete", "pod", "sleepy", "--wait=false")
    eventually(lambda: "Killing" in _reasons(rules, "sleepy"), 10, "its end has begun")
    began = CLOCK.monotonic()
    rules.kubectl("delete", "pod", "sleepy", "--grace-period=1")
    assert CLOCK.monotonic() - began < 30, "not the 200 s of its hook"


def _reasons(cluster: Cluster, name: str) -> set[str]:
    events = cluster.get("events", "--field-selector", f"involvedObject.name={name}")["items"]
    return {event["reason"] for event in events}
