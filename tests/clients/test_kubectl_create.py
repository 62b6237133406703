"""kubectl creates, shows and describes every kind that it has a command for."""

from __future__ import annotations

import pytest

from pilothouse.kit import tls
from pilothouse.kit.clock import SystemClock
from tests.clients.kubectl import Kubectl

pytestmark = pytest.mark.clients

# What `kubectl create` is given: the answer, and a line that `kubectl describe` of the object has.
CREATED = {
    "configmap settings --from-literal=colour=blue": ("configmap/settings", "colour:\n----\nblue\n"),
    "secret generic word --from-literal=p=w": ("secret/word", "p:  1 bytes"),
    "secret docker-registry pull --docker-username=a --docker-password=b --docker-server=c.d": (
        "secret/pull", "Type:  kubernetes.io/dockerconfigjson",
    ),
    "deployment web --image=busybox --replicas=2 --port=80": ("deployment.apps/web", "25% max unavailable"),
    "job once --image=busybox -- true": ("job.batch/once", "Completion Mode:  NonIndexed"),
    "cronjob often --image=busybox --schedule=@hourly -- true": ("cronjob.batch/often", "@hourly"),
    "service clusterip inside --tcp=80:8080": ("service/inside", "TargetPort:               8080/TCP"),
    "service nodeport outside --tcp=80:8080 --node-port=32111": ("service/outside", "32111/TCP"),
    "service loadbalancer balanced --tcp=80:8080": ("service/balanced", "LoadBalancer"),
    "service externalname named --external-name=example.com": ("service/named", "External Name:     example.com"),
    "serviceaccount robot": ("serviceaccount/robot", "Image pull secrets:"),
    "role reader --verb=get,list --resource=pods,deployments.apps": (
        "role.rbac.authorization.k8s.io/reader", "deployments.apps  []                 []              [get list]",
    ),
    "rolebinding reads --role=reader --serviceaccount=default:robot --user=u --group=g": (
        "rolebinding.rbac.authorization.k8s.io/reads", "ServiceAccount  robot  default",
    ),
    "ingress way --rule=foo.example/bar*=inside:80,tls=cert --class=nginx --annotation=a=b": (
        "ingress.networking.k8s.io/way", "/bar   inside:80 ()",
    ),
    "poddisruptionbudget kept --selector=app=web --min-available=1": (
        "poddisruptionbudget.policy/kept", "Min available:  1",
    ),
    "quota limits --hard=pods=20,secrets=50": ("resourcequota/limits", "secrets"),
}  # fmt: skip
OF_THE_CLUSTER = {
    "clusterrole {} --verb=get --resource=nodes": ("clusterrole.rbac.authorization.k8s.io/{}", "nodes      []"),
    "clusterrolebinding {} --clusterrole=view --user=u": (
        "clusterrolebinding.rbac.authorization.k8s.io/{}", "Kind:  ClusterRole",
    ),
    "priorityclass {} --value=10 --description=low": ("priorityclass.scheduling.k8s.io/{}", "Description:       low"),
}  # fmt: skip


def test_creates_and_describes_every_kind(kubectl: Kubectl) -> None:
    for words, (made, line) in CREATED.items():
        assert kubectl(f"create {words}") == f"{made} created\n"
        assert line in kubectl(f"describe {made}")
    listed = kubectl("get -o name", ",".join({made.split("/")[0] for made, _ in CREATED.values()}))
    assert {made for made, _ in CREATED.values()} <= set(listed.splitlines())


def test_creates_kinds_of_the_cluster(kubectl: Kubectl) -> None:
    for words, (made, line) in OF_THE_CLUSTER.items():
        made = made.format(kubectl.namespace)
        assert kubectl("create", *words.format(kubectl.namespace).split()) == f"{made} created\n"
        assert line in kubectl(f"describe {made}")
        kubectl(f"delete {made}")


def test_creates_from_what_there_is(kubectl: Kubectl) -> None:
    kubectl("create serviceaccount robot")
    assert kubectl("create token robot --duration=1h").count(".") == 2
    assert kubectl.refused("create token robot --bound-object-kind=Pod --bound-object-name=none") == (
        'error: failed to create token: pods "none" not found\n'
    )
    kubectl("create cronjob often --image=busybox --schedule=@hourly -- true")
    kubectl("create job now --from=cronjob/often")
    kubectl("wait job/now --for=condition=complete --timeout=20s")
    pair = tls.new_authority("shop.example", now=SystemClock().now()).pair
    (kubectl.folder / "crt").write_bytes(pair.certificate)
    (kubectl.folder / "key").write_bytes(pair.key)
    assert kubectl("create secret tls pair --cert=crt --key=key") == "secret/pair created\n"
    assert kubectl.refused("create configmap kube-root-ca.crt").startswith(
        'error: failed to create configmap: configmaps "kube-root-ca.crt" already exists'
    )


def test_runs_exposes_and_autoscales(kubectl: Kubectl) -> None:
    assert sorted(kubectl("run web --image=busybox --labels=app=web --env=A=B --port=80 --expose").split("\n")) == [
        "", "pod/web created", "service/web created",
    ]  # fmt: skip
    kubectl("wait pod/web --for=condition=Ready --timeout=20s")
    assert kubectl("get endpointslices -l kubernetes.io/service-name=web -o", "jsonpath={.items[*].ports[*].port}") == (
        "80"
    )
    assert kubectl("expose pod web --name=again --port=8080 --target-port=80 --type=NodePort") == (
        "service/again exposed\n"
    )
    assert "dry run" in kubectl("run more --image=busybox --dry-run=server")
    kubectl("create deployment many --image=busybox")
    assert kubectl("autoscale deployment many --min=2 --max=4 --cpu-percent=80").startswith(
        "horizontalpodautoscaler.autoscaling/many"
    )
    described = kubectl("describe hpa many")
    assert "Reference:" in described
    assert "80%" in described
    pod = kubectl("describe pod web")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in pod
    node = kubectl("describe node node-1")
    assert "KubeletReady" in node
    assert "Non-terminated Pods" in node
    assert "Status:       Active" in kubectl(f"describe namespace {kubectl.namespace}")
