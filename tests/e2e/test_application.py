"""A real application on a real cluster, and what may befall it. Tests run in this order, on one cluster."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

import pytest

from tests.e2e import web
from tests.e2e.cluster import Cluster, eventually, fetch, load
from tests.e2e.machine import kill_container, kill_node

pytestmark = pytest.mark.e2e
NODES = ("node-1", "node-2")


@pytest.fixture(scope="module")
def app(cluster: Cluster) -> Cluster:
    cluster.apply(web.manifest())
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    for node in NODES:
        cluster.apply(web.visitor(f"visitor-{node}", node))
    cluster.kubectl("wait", "pod", "-l", "app=visitor", "--for=condition=Ready", "--timeout=30s")
    return cluster


def node_port(cluster: Cluster) -> int:
    return int(cluster.get("service", "web")["spec"]["ports"][0]["nodePort"])


def targets(cluster: Cluster) -> list[tuple[str, int]]:
    return [(address, node_port(cluster)) for address in cluster.node_addresses()]


def fair(counts: Counter[str], total: int) -> None:
    assert sum(counts.values()) == total, counts
    assert len(counts) == 3, counts
    assert min(counts.values()) >= total * 0.2, counts


def identities(cluster: Cluster) -> dict[str, Any]:
    """What must survive a crash of the control plane or a kubelet: uids, versions and container ids of the pods."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            pod["metadata"]["resourceVersion"],
            [(c["containerID"], c["restartCount"]) for c in pod["status"]["containerStatuses"]],
        )
        for pod in cluster.pods("app=web")
    }


def test_replicas_spread_over_both_nodes(app: Cluster) -> None:
    pods = app.pods("app=web")
    assert len(pods) == 3
    assert {pod["spec"]["nodeName"] for pod in pods} == set(NODES)
    assert all(pod["status"]["qosClass"] == "Burstable" for pod in pods)


def test_configuration_and_secret_reach_the_containers(app: Cluster) -> None:
    address, port = targets(app)[0]
    assert fetch(address, port, "/motto") == "steady as she goes"
    assert fetch(address, port, "/token") == "sesame"


@pytest.mark.parametrize("node", NODES)
def test_pods_on_each_node_reach_all_replicas_by_name(app: Cluster, node: str) -> None:
    script = "for i in $(seq 100); do timeout 3 wget -q -O - http://web.default.svc.cluster.local/ || echo FAILED; done"
    out = app.kubectl("exec", f"visitor-{node}", "--", "sh", "-c", script).stdout
    fair(Counter(out.split("\n")[:-1]), 100)


@pytest.mark.parametrize("which", [0, 1])
def test_the_node_port_of_each_node_reaches_all_replicas(app: Cluster, which: int) -> None:
    address, port = targets(app)[which]
    fair(Counter(fetch(address, port) for _ in range(150)), 150)


def test_cluster_dns_answers_a_srv_ptr_and_short_names(app: Cluster) -> None:
    service = app.get("service", "web")["spec"]["clusterIP"]
    lookup = ("exec", "visitor-node-1", "--", "nslookup")
    assert service in app.kubectl(*lookup, "-type=a", "web.default.svc.cluster.local").stdout
    assert "web.default.svc.cluster.local" in app.kubectl(*lookup, service).stdout
    srv = app.kubectl(*lookup, "-type=srv", "_http._tcp.web.default.svc.cluster.local").stdout
    assert " 80 web.default.svc.cluster.local" in srv
    short = app.kubectl("exec", "visitor-node-2", "--", "timeout", "3", "wget", "-q", "-O", "-", "http://web/motto")
    assert short.stdout.strip() == "steady as she goes"


def test_a_killed_container_is_restarted_and_its_endpoint_goes_out_and_in(app: Cluster) -> None:
    pod = app.pods("app=web")[0]
    name, address = pod["metadata"]["name"], pod["status"]["podIP"]
    before = pod["status"]["containerStatuses"][0]["restartCount"]

    def restarted() -> bool:
        status = app.get("pod", name)["status"]["containerStatuses"][0]
        return bool(status["restartCount"] > before and status["ready"])

    with app.watched_endpoints("web") as seen:
        kill_container(pod["status"]["containerStatuses"][0]["containerID"])
        eventually(restarted, 40, "the container is restarted and ready")
        eventually(lambda: address in seen[-1], 10, "its endpoint is back")
    assert any(address not in state for state in seen), seen
    events = json.dumps(app.get("events", "--field-selector", f"involvedObject.name={name}"))
    assert "Started" in events


def test_a_deleted_pod_is_replaced(app: Cluster) -> None:
    gone = app.pods("app=web")[0]["metadata"]["name"]
    app.kubectl("delete", "pod", gone)
    app.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert gone not in {pod["metadata"]["name"] for pod in app.pods("app=web")}
    eventually(lambda: len(app.endpoints("web")) == 3, 10, "three endpoints")


def test_a_bad_image_leaves_the_old_pods_serving_and_is_rolled_back(app: Cluster) -> None:
    with load(targets(app)) as (answers, failures):
        app.kubectl("set", "image", "deployment/web", "web=pilothouse.example/none:9")

        def refused() -> bool:
            waiting = [
                c["state"].get("waiting", {}).get("reason")
                for pod in app.pods("app=web")
                for c in pod["status"].get("containerStatuses", [])
            ]
            return "ErrImagePull" in waiting or "ImagePullBackOff" in waiting

        eventually(refused, 30, "the new pod cannot get its image")
        assert len(app.endpoints("web")) == 3
        app.kubectl("rollout", "undo", "deployment/web")
        app.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert failures == []
    assert len(answers) == 3


def test_a_new_version_rolls_out_under_load_without_a_failed_request(app: Cluster) -> None:
    with load(targets(app)) as (answers, failures):
        app.apply(web.manifest(version="v2", image=web.IMAGES[1]))
        app.kubectl("rollout", "status", "deployment/web", "--timeout=90s")
        eventually(lambda: any(a.startswith("v2") for a in answers), 10, "the new version answers")
    assert failures == []
    assert {a.split()[0] for a in answers} == {"v1", "v2"}
    history = app.kubectl("rollout", "history", "deployment/web").stdout
    assert len(history.strip().splitlines()) >= 4


def test_scale_to_ten_and_back(app: Cluster) -> None:
    app.kubectl("scale", "deployment/web", "--replicas=10")
    app.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    eventually(lambda: len(app.endpoints("web")) == 10, 10, "ten endpoints")
    app.kubectl("scale", "deployment/web", "--replicas=3")
    eventually(lambda: len(app.get("pods", "-l", "app=web")["items"]) == 3, 30, "three pods again")
    eventually(lambda: len(app.endpoints("web")) == 3, 10, "three endpoints")


def test_the_control_plane_survives_kill_9(app: Cluster) -> None:
    before = identities(app)
    with load(targets(app)) as (_, failures):
        os.kill(app.process("control-plane"), signal.SIGKILL)
        app.pilothouse("up")
        assert identities(app) == before
    assert failures == []


def test_a_kubelet_survives_kill_9(app: Cluster) -> None:
    before = identities(app)
    with load(targets(app)) as (_, failures):
        os.kill(app.process("node-1"), signal.SIGKILL)
        app.pilothouse("up")
    after = identities(app)
    assert after == before
    assert failures == []


def test_a_dead_nodes_pods_are_replaced_on_the_other(app: Cluster) -> None:
    lost = {pod["metadata"]["name"] for pod in app.pods("app=web") if pod["spec"]["nodeName"] == "node-2"}
    assert lost
    os.kill(app.process("supervisor"), signal.SIGKILL)  # it would start the node again
    kill_node(app, "node-2")

    def tainted() -> bool:
        taints = app.get("node", "node-2")["spec"].get("taints") or []
        return any(t["key"] == "node.kubernetes.io/unreachable" and t["effect"] == "NoExecute" for t in taints)

    def replaced() -> bool:
        return [on_node_1(p) and p["status"]["phase"] == "Running" for p in app.pods("app=web")].count(True) == 3

    def on_node_1(pod: dict[str, Any]) -> bool:
        return bool(pod["spec"].get("nodeName") == "node-1")  # a replacement has none until it is scheduled

    try:
        eventually(tainted, 90, "the node is tainted")
        eventually(replaced, 40, "all three replicas on the living node")
    finally:
        app.pilothouse("up")  # the tests that follow need both nodes, whatever became of this one
    app.kubectl("wait", "node/node-2", "--for=condition=Ready", "--timeout=60s")
    eventually(lambda: not app.get("node", "node-2")["spec"].get("taints"), 20, "the taints are gone")
