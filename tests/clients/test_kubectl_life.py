"""kubectl rolls out, scales, drains and deletes."""

from __future__ import annotations

import json

import pytest

from tests.clients.kubectl import Kubectl
from tests.clients.objects import config_map
from tests.programs import kubectl_name, kubectls

pytestmark = pytest.mark.clients


def test_rollouts(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox --replicas=2")
    kubectl("rollout status deployment/web --timeout=20s")
    kubectl("annotate deployment web kubernetes.io/change-cause=first")
    kubectl("set image deployment/web busybox=busybox:2")
    kubectl("annotate deployment web kubernetes.io/change-cause=second")
    kubectl("rollout status deployment/web --timeout=20s")
    history = kubectl("rollout history deployment/web").splitlines()
    assert [line.split() for line in history[2:4]] == [["1", "first"], ["2", "second"]]
    assert "busybox:2" in kubectl("rollout history deployment/web --revision=2")
    assert "rolled back" in kubectl("rollout undo deployment/web --to-revision=1")
    kubectl("rollout status deployment/web --timeout=20s")
    assert kubectl.get("deployment web")["spec"]["template"]["spec"]["containers"][0]["image"] == "busybox"
    assert "unable to find specified revision 9" in kubectl.refused("rollout undo deployment/web --to-revision=9")
    assert "paused" in kubectl("rollout pause deployment/web")
    assert "is already paused" in kubectl.refused("rollout pause deployment/web")
    assert "can't restart paused" in kubectl.refused("rollout restart deployment/web")
    assert "resumed" in kubectl("rollout resume deployment/web")
    assert "restarted" in kubectl("rollout restart deployment/web")
    assert "successfully rolled out" in kubectl("rollout status deployment/web --timeout=20s")


@pytest.mark.parametrize("kind", ["daemonset", "statefulset"])
def test_rollouts_of_other_kinds(kubectl: Kubectl, kind: str) -> None:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "busybox"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    if kind == "statefulset":
        spec |= {"replicas": 2, "serviceName": "web"}
    name = {"daemonset": "DaemonSet", "statefulset": "StatefulSet"}[kind]
    body = {"apiVersion": "apps/v1", "kind": name, "metadata": {"name": "web"}, "spec": spec}
    kubectl("create -f -", stdin=json.dumps(body))
    kubectl(f"rollout status {kind}/web --timeout=30s")
    kubectl(f"set image {kind}/web main=busybox:2")
    kubectl(f"rollout status {kind}/web --timeout=30s")
    assert len(kubectl(f"rollout history {kind}/web").strip().splitlines()) == 4
    kubectl(f"rollout undo {kind}/web")
    kubectl(f"rollout restart {kind}/web")
    kubectl(f"rollout status {kind}/web --timeout=30s")
    assert "web" in kubectl(f"describe {kind} web")
    assert "busybox:2" not in kubectl(f"get {kind} web -o wide")


def test_scales(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox")
    assert kubectl.refused("scale deployment/web --replicas=3 --current-replicas=7") == (
        "error: Expected replicas to be 7, was 1\n"
    )
    kubectl("scale deployment/web --replicas=3 --current-replicas=1 --timeout=20s")
    kubectl("wait deployment/web --for=jsonpath={.status.readyReplicas}=3 --timeout=20s")
    kubectl("scale deployments --all --replicas=1")
    kubectl("wait deployment/web --for=jsonpath={.status.replicas}=1 --timeout=20s")


def test_cordons_drains_and_taints(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox --replicas=4")
    kubectl("run lone --image=busybox --overrides", '{"spec":{"nodeName":"node-2","terminationGracePeriodSeconds":0}}')
    kubectl("rollout status deployment/web --timeout=20s")
    kubectl("wait pod/lone --for=condition=Ready --timeout=20s")
    try:
        assert kubectl("cordon node-2") == "node/node-2 cordoned\n"
        assert "SchedulingDisabled" in kubectl("get node node-2")
        drain = "drain node-2 --pod-selector=!none --ignore-daemonsets"
        refused = kubectl.run(drain)
        assert refused.returncode == 1
        assert "cannot delete" in refused.stderr
        assert "node/node-2 drained" in kubectl(
            f"{drain} --force --grace-period=0 --timeout=40s --skip-wait-for-delete-timeout=0"
        )
        kubectl("rollout status deployment/web --timeout=20s")
        assert {p["spec"]["nodeName"] for p in kubectl.get("pods -l app=web")["items"]} == {"node-1"}
    finally:
        assert kubectl("uncordon node-2") == "node/node-2 uncordoned\n"
    assert kubectl("taint node node-2 k=v:PreferNoSchedule") == "node/node-2 tainted\n"
    assert "--overwrite is false" in kubectl.refused("taint node node-2 k=w:PreferNoSchedule")
    assert kubectl("taint node node-2 k=w:PreferNoSchedule --overwrite") == "node/node-2 modified\n"
    assert kubectl("taint node node-2 k-") == "node/node-2 untainted\n"


@pytest.mark.parametrize("kubectl", kubectls()[:1], ids=kubectl_name, indirect=True)  # it takes its five seconds
def test_a_budget_holds_a_drain_up(kubectl: Kubectl) -> None:
    kubectl("run lone --image=busybox --labels=app=lone --overrides", '{"spec":{"nodeName":"node-2"}}')
    kubectl("wait pod/lone --for=condition=Ready --timeout=20s")
    kubectl("create poddisruptionbudget kept --selector=app=lone --min-available=1")
    kubectl("wait poddisruptionbudget/kept --for=jsonpath={.status.currentHealthy}=1 --timeout=20s")
    try:
        done = kubectl.run("drain node-2 --force --pod-selector=app=lone --timeout=1s")
        assert done.returncode == 1
        assert "Cannot evict pod as it would violate the pod's disruption budget." in done.stderr
    finally:
        kubectl("uncordon node-2")


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_deletes_with_dependents(kubectl: Kubectl, cascade: str) -> None:
    kubectl("create deployment web --image=busybox")
    kubectl("rollout status deployment/web --timeout=20s")
    assert 'deployment.apps "web" deleted' in kubectl(f"delete deployment web --cascade={cascade} --timeout=40s")
    if cascade == "background":
        kubectl("wait replicaset -l app=web --for=delete --timeout=20s")
    left = kubectl("get replicasets -o name")
    assert left.startswith("replicaset.apps/web-") is (cascade == "orphan")
    if left:
        assert "ownerReferences" not in kubectl.get("replicasets")["items"][0]["metadata"]


def test_deletes_by_every_choice(kubectl: Kubectl) -> None:
    kubectl("run a --image=busybox --labels=set=x")
    kubectl("run b --image=busybox --labels=set=x")
    kubectl("run c --image=busybox")
    kubectl("wait pod --all --for=condition=Ready --timeout=20s")
    assert "server dry run" in kubectl("delete pods -l set=x --dry-run=server")
    assert kubectl("delete pods -l set=x --now -o name") == "pod/a\npod/b\n"
    assert kubectl("get pods -o name") == "pod/c\n"
    assert "Immediate deletion" in kubectl.run("delete pod c --grace-period=0 --force").stderr
    kubectl("create -f -", stdin=json.dumps(config_map("kept") | {
        "metadata": {"name": "kept", "finalizers": ["example.com/hold"]},
    }))  # fmt: skip
    kubectl("delete configmap kept --wait=false")
    assert "timed out" in kubectl.refused("delete configmap kept --timeout=100ms")
    kubectl("patch configmap kept --type=merge -p", '{"metadata":{"finalizers":null}}')
    assert 'configmaps "kept" not found' in kubectl.refused("delete configmap kept")
    assert kubectl("delete configmap kept --ignore-not-found") == ""
    kubectl("create serviceaccount robot")
    assert "deleted" in kubectl("delete serviceaccount robot -i", stdin="y\n")
    assert "No resources found" in kubectl.run("delete all --all").stdout + kubectl.run("get all").stderr
