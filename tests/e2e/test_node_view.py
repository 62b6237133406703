"""Each node is a machine to its pods: folders, logs and a host name of its own, and memory for its secrets."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Iterator

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually

pytestmark = pytest.mark.e2e

AGENT = f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: agent}}
spec:
  selector: {{matchLabels: {{app: agent}}}}
  template:
    metadata: {{labels: {{app: agent}}}}
    spec:
      hostNetwork: true
      terminationGracePeriodSeconds: 1
      tolerations: [{{operator: Exists}}]
      containers:
      - name: agent
        image: {web.IMAGES[0]}
        command: [sh, -c, "echo I am $(hostname); hostname > /own/lib/agent; hostname > /own/run/agent; sleep 1000"]
        resources: {{requests: {{cpu: 100m}}}}
        volumeMounts:
        - {{name: log, mountPath: /var/log, readOnly: true}}
        - {{name: lib, mountPath: /own/lib}}
        - {{name: run, mountPath: /own/run}}
        - {{name: shared, mountPath: /shared}}
        - {{name: secret, mountPath: /secret}}
        - {{name: machine, mountPath: /machine}}
        - {{name: state, mountPath: /state}}
        - {{name: around, mountPath: /around}}
      volumes:
      - {{name: log, hostPath: {{path: /var/log}}}}
      - {{name: lib, hostPath: {{path: /var/lib/agent, type: DirectoryOrCreate}}}}
      - {{name: run, hostPath: {{path: /run/agent, type: DirectoryOrCreate}}}}
      - {{name: shared, hostPath: {{path: HOME}}}}
      - {{name: secret, secret: {{secretName: agent}}}}
      - {{name: machine, hostPath: {{path: /}}}}
      - {{name: state, hostPath: {{path: HOME/state, type: Directory}}}}
      - {{name: around, hostPath: {{path: /proc/{os.getpid()}/root/HOME/state}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: agent}}
stringData: {{k: v}}
"""


@pytest.fixture(scope="module")
def agents(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The agent's pod by node."""
    cluster.apply(AGENT.replace("HOME", str(cluster.home)))
    cluster.kubectl("rollout", "status", "ds/agent", "--timeout=60s")
    yield {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in cluster.pods("app=agent")}
    cluster.kubectl("delete", "ds/agent", "secret/agent")


def _address(cluster: Cluster, node: str) -> str:
    addresses = cluster.get("node", node)["status"]["addresses"]
    return str(next(a["address"] for a in addresses if a["type"] == "InternalIP"))


def test_nodes_have_names_of_their_own(cluster: Cluster, agents: dict[str, str]) -> None:
    assert len(agents) == 2
    for node, pod in agents.items():
        assert cluster.kubectl("exec", pod, "--", "hostname").stdout.strip() == node
        assert cluster.kubectl("exec", pod, "--", "cat", "/etc/hostname").stdout.strip() == node
        hosts = cluster.kubectl("exec", pod, "--", "cat", "/etc/hosts").stdout
        assert [line.split()[0] for line in hosts.splitlines() if line.split()[1:] == [node]] == [
            _address(cluster, node)
        ]
    identities = {n["status"]["nodeInfo"]["machineID"] for n in cluster.get("nodes")["items"]}
    assert len(identities) == 2


def _eventually_read(cluster: Cluster, pod: str, path: str) -> str:
    """What is in a file of a pod, once there is something."""
    found = eventually(lambda: cluster.kubectl("exec", pod, "--", "cat", path).stdout, 10, f"{path} is written")
    assert isinstance(found, str)
    return found


def test_a_log_agent_finds_the_logs_of_its_node_alone(cluster: Cluster, agents: dict[str, str]) -> None:
    def links(pod: str) -> list[str]:
        return cluster.kubectl("exec", pod, "--", "ls", "/var/log/containers").stdout.split()

    for node, pod in agents.items():
        others = [other for name, other in agents.items() if name != node]
        own = [name for name in links(pod) if name.startswith(f"{pod}_default_agent-")]
        assert len(own) == 1
        assert not [name for name in links(pod) if name.startswith(others[0])]
        assert f"I am {node}" in _eventually_read(cluster, pod, f"/var/log/containers/{own[0]}")


def test_what_an_agent_writes_is_its_nodes(cluster: Cluster, agents: dict[str, str]) -> None:
    for node, pod in agents.items():
        for folder in ("lib", "run"):
            assert cluster.kubectl("exec", pod, "--", "cat", f"/own/{folder}/agent").stdout.strip() == node
    assert not pathlib.Path("/var/lib/agent").exists(), "the machine keeps nothing of it"
    assert not pathlib.Path("/run/agent").exists()


def test_other_folders_are_the_machines(cluster: Cluster, agents: dict[str, str]) -> None:
    (cluster.home / "hello").write_text("from the machine")
    for pod in agents.values():
        assert cluster.kubectl("exec", pod, "--", "cat", "/shared/hello").stdout == "from the machine"


def test_no_container_sees_the_clusters_keys(cluster: Cluster, agents: dict[str, str]) -> None:
    state = cluster.home / "state"
    (cluster.home / "link").symlink_to(state)
    assert (state / cluster.name / "pki/ca.key").exists(), "this is where they are"
    for node, pod in agents.items():
        for place in (f"/machine{state}", "/state", "/around", "/shared/state"):
            found = cluster.kubectl("exec", pod, "--", "find", place, "-maxdepth", "3").stdout.split()
            below = f"{place}/{cluster.name}"
            assert sorted(found) == [place, below, f"{below}/nodes", f"{below}/nodes/{node}"], place
            assert cluster.kubectl("exec", pod, "--", "touch", f"{below}/x", check=False).returncode
        link = f"/shared/link/{cluster.name}/pki/ca.key"
        assert cluster.kubectl("exec", pod, "--", "cat", link, check=False).returncode
    (cluster.home / "link").unlink()


def test_secrets_and_tokens_lie_in_memory(cluster: Cluster, agents: dict[str, str]) -> None:
    for pod in agents.values():
        mounts = [
            line.split() for line in cluster.kubectl("exec", pod, "--", "cat", "/proc/mounts").stdout.splitlines()
        ]
        kinds = {fields[1]: fields[2] for fields in mounts}
        assert kinds["/secret"] == kinds["/var/run/secrets/kubernetes.io/serviceaccount"] == "tmpfs"


def test_classes_of_pods_have_their_shares_of_the_processor(cluster: Cluster, agents: dict[str, str]) -> None:
    for node in agents:
        roots = [pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")]
        tops = [root / f"pilothouse-{cluster.name}-{node}/kubepods" for root in roots]
        top = next(path for path in tops if path.exists())
        name = "cpu.shares" if (top / "cpu.shares").exists() else "cpu.weight"
        best_effort, burstable = (int((top / group / name).read_text()) for group in ("besteffort", "burstable"))
        assert best_effort == (2 if name == "cpu.shares" else 1)
        assert burstable > best_effort


def test_the_view_outlives_the_nodes_process(cluster: Cluster, agents: dict[str, str]) -> None:
    node, pod = next(iter(agents.items()))
    process = cluster.process(node)
    os.kill(process, signal.SIGKILL)
    read = ("exec", pod, "--", "cat", "/own/run/agent")

    def back() -> bool:
        """Started again by the supervisor, in the same view."""
        return cluster.kubectl(*read, check=False).stdout.strip() == node and cluster.process(node) != process

    eventually(back, 30, "the node answers again")
    assert {p["metadata"]["name"] for p in cluster.pods("app=agent")} == set(agents.values())
