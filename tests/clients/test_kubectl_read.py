"""kubectl lists, explains, waits, asks for rights and certificates."""

from __future__ import annotations

import base64
import json
import re
import urllib.request

import pytest

from pilothouse.kit import tls
from tests.clients.kubectl import Kubectl

pytestmark = pytest.mark.clients

ROLE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: NS}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: jane, apiGroup: rbac.authorization.k8s.io}]
"""
REQUEST = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: "%s"}
spec: {request: "%s", signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], expirationSeconds: 3600}
"""


def test_gets_in_every_form(kubectl: Kubectl) -> None:
    kubectl("create deployment web --image=busybox --replicas=3")
    kubectl("rollout status deployment/web --timeout=20s")
    names = kubectl("get pods -o name").split()
    assert len(names) == 3
    bare = sorted(name.removeprefix("pod/") for name in names)
    assert kubectl("get pods -o", "jsonpath={.items[*].metadata.name}").split() == bare
    assert kubectl("get pods -o", "go-template={{range .items}}{{.metadata.name}} {{end}}").split() == bare
    assert kubectl("get pods -o custom-columns=:metadata.name --no-headers").split() == bare
    assert kubectl("get pods --chunk-size=1 -o name").split() == names
    assert "kind: List" in kubectl("get pods -o yaml")
    assert re.search(r"IP +NODE +NOMINATED NODE", kubectl("get pods -o wide"))
    ordered = kubectl("get pods --sort-by=.metadata.name --no-headers").splitlines()
    assert [line.split()[0] for line in ordered] == bare
    everywhere = kubectl("get pods -A -l app=web -L app --show-kind --show-labels")
    assert everywhere.count("pod/web-") >= 3
    one = kubectl("get pods --no-headers --field-selector", f"status.phase=Running,metadata.name={bare[0]}")
    assert one.split()[:4] == [bare[0], "1/1", "Running", "0"]
    unknown = kubectl.refused("get pods --field-selector status.bogus=1")
    assert "field label not supported: status.bogus" in unknown
    assert "kind: Scale" in kubectl("get deployment web --subresource=scale -o yaml")
    assert len(kubectl("get all -o name").split()) == 5
    assert kubectl.refused("get pods none") == 'Error from server (NotFound): pods "none" not found\n'
    assert kubectl("get --raw /readyz") == "ok"


def test_watches(kubectl: Kubectl) -> None:
    with kubectl.started("get configmaps -w --output-watch-events --no-headers") as running:
        assert running.stdout
        assert running.stdout.readline().split()[:2] == ["ADDED", "kube-root-ca.crt"]
        kubectl("create configmap seen")
        assert running.stdout.readline().split()[:2] == ["ADDED", "seen"]
        kubectl("patch configmap seen -p", '{"data":{"a":"b"}}')
        assert running.stdout.readline().split()[:3] == ["MODIFIED", "seen", "1"]
        kubectl("delete configmap seen")
        assert running.stdout.readline().split()[:2] == ["DELETED", "seen"]


def test_waits(kubectl: Kubectl) -> None:
    with kubectl.started("wait --for=create pod/late --timeout=20s") as waiting:
        kubectl("run late --image=busybox")
        assert waiting.communicate()[0] == "pod/late condition met\n"
    kubectl("wait pod/late --for=condition=Ready --timeout=20s")
    kubectl("wait pod/late --for=jsonpath={.status.phase}=Running --timeout=20s")
    assert "timed out waiting for the condition" in kubectl.refused("wait pod/late --for=condition=Odd --timeout=100ms")
    with kubectl.started("wait --for=delete pod/late --timeout=40s") as waiting:
        kubectl("delete pod late --now")
        assert waiting.wait(60) == 0


def test_explains_and_lists_what_the_server_has(kubectl: Kubectl) -> None:
    assert "rollingUpdate\t<RollingUpdateDeployment>" in kubectl("explain deployment.spec.strategy")
    assert "jobTemplate\t<" in kubectl("explain cronjobs --recursive --api-version=batch/v1")
    assert "VERSION:  batch/v1" in kubectl("explain cronjob.spec --output=plaintext-openapiv2")
    assert "apps/v1" in kubectl("api-versions").split()
    apps = kubectl("api-resources --api-group=apps --verbs=list,watch --no-headers --sort-by=name")
    assert [line.split()[0] for line in apps.splitlines()] == [
        "controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets",
    ]  # fmt: skip
    assert "Server Version: v1.36" in kubectl("version")
    assert "Kubernetes control plane" in kubectl("cluster-info")
    kubectl("run web --image=busybox")
    kubectl(f"cluster-info dump --output-directory=dump --namespaces={kubectl.namespace}")
    assert "web" in (kubectl.folder / "dump" / kubectl.namespace / "pods.json").read_text()
    assert "web" in kubectl("__complete get pods w")
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert "kubectl" in kubectl(f"completion {shell}")


def test_plugins_are_given_the_word(kubectl: Kubectl) -> None:
    plugin = kubectl.folder / "kubectl-hello"
    plugin.write_text('#!/bin/sh\necho "hello $1"\n')
    plugin.chmod(0o755)
    path = {"PATH": f"{kubectl.folder}:/usr/bin:/bin"}
    assert str(plugin) in kubectl.run("plugin list", env=path).stdout
    assert kubectl("hello you", env=path) == "hello you\n"


def test_tells_of_events(kubectl: Kubectl) -> None:
    kubectl("run web --image=busybox")
    kubectl("wait pod/web --for=condition=Ready --timeout=20s")
    told = kubectl("events --for pod/web --types=Normal")
    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        assert reason in told
    with kubectl.started("events --watch --no-headers") as running:
        kubectl("delete pod web --now")
        assert running.stdout
        assert any("Killing" in line for line in iter(running.stdout.readline, ""))


def test_rights(kubectl: Kubectl) -> None:
    manifest = ROLE.replace("NS", kubectl.namespace)
    told = kubectl("auth reconcile -f -", stdin=manifest)
    assert "role.rbac.authorization.k8s.io/reader reconciled" in told
    jane = f"--as=jane -n {kubectl.namespace}"
    assert kubectl(f"auth can-i get pods {jane}") == "yes\n"
    assert kubectl.refused(f"auth can-i list pods {jane}") == ""
    remove = "auth reconcile -f - --remove-extra-permissions --remove-extra-subjects"
    kubectl(remove, stdin=manifest.replace("verbs: [get]", "verbs: [list]"))
    assert kubectl(f"auth can-i list pods {jane}") == "yes\n"
    assert "pods   " in kubectl(f"auth can-i --list {jane}")
    assert kubectl.refused(f"get secrets {jane}") == (
        'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource "secrets" in API group '
        f'"" in the namespace "{kubectl.namespace}"\n'
    )
    assert "kubernetes-admin" in kubectl("auth whoami")
    token = kubectl("create token default").strip()
    robot = kubectl(f"auth whoami --token={token} --kubeconfig={kubectl.without_credentials()}")
    assert f"system:serviceaccount:{kubectl.namespace}:default" in robot
    assert "Unauthorized" in kubectl.refused(f"get pods --token=wrong --kubeconfig={kubectl.without_credentials()}")


def test_certificates(kubectl: Kubectl) -> None:
    key = tls.new_key()
    (kubectl.folder / "key").write_bytes(key)
    request = base64.b64encode(tls.new_request(key, "jane", ["team"])).decode()
    name = kubectl.namespace
    kubectl("apply -f -", stdin=REQUEST % (name, request))
    assert f"{name} approved" in kubectl(f"certificate approve {name}")
    kubectl(f"wait csr {name} --for=jsonpath={{.status.certificate}} --timeout=20s")
    assert "Approved,Issued" in kubectl(f"get csr {name}")
    assert "Common Name:    jane" in kubectl(f"describe csr {name}")
    certificate = base64.b64decode(kubectl.get(f"csr {name}")["status"]["certificate"])
    (kubectl.folder / "crt").write_bytes(certificate)
    assert re.search(
        r"Username +jane\n",
        kubectl(f"auth whoami --client-certificate=crt --client-key=key --kubeconfig={kubectl.without_credentials()}"),
    )
    kubectl(f"delete csr {name}")
    kubectl("apply -f -", stdin=REQUEST % (name, request))
    kubectl(f"certificate deny {name}")
    assert "Denied" in kubectl(f"get csr {name}")
    kubectl(f"delete csr {name}")


def test_proxies(kubectl: Kubectl) -> None:
    with kubectl.started("proxy --port=0") as running:
        assert running.stdout
        port = running.stdout.readline().rsplit(":", 1)[1].strip()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/namespaces/{kubectl.namespace}") as answer:
            assert json.load(answer)["status"] == {"phase": "Active"}


def test_metrics_are_said_to_be_missing(kubectl: Kubectl) -> None:
    assert kubectl.refused("top pods") == "error: Metrics API not available\n"
