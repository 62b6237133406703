"""Helm 4, through its Python SDK: a release's whole life, with a chart written here."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
from kubernetes import client

pytestmark = pytest.mark.clients
SECONDS = 30
TEMPLATES = {
    "settings": """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {colour: "{{ .Values.colour }}"}
""",
    "web": """
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: busybox}]}
""",
    "hook": """
apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-prepare"
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {revision: "{{ .Release.Revision }}"}
      annotations:
        pilothouse.io/simulate-exit-after: "0"
        pilothouse.io/simulate-exit-code: "{{ .Values.hookCode }}"
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}
""",
    "check": """
apiVersion: v1
kind: Pod
metadata:
  name: "{{ .Release.Name }}-check"
  annotations:
    helm.sh/hook: test
    pilothouse.io/simulate-exit-after: "0"
    pilothouse.io/simulate-exit-code: "{{ .Values.checkCode }}"
spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}
""",
}


@pytest.fixture
def chart(tmp_path: pathlib.Path) -> str:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: web, version: 1.0.0}")
    (tmp_path / "values.yaml").write_text("{replicas: 1, colour: blue, hookCode: 0, checkCode: 0}")
    for name, text in TEMPLATES.items():
        (tmp_path / "templates" / f"{name}.yaml").write_text(text)
    return str(tmp_path)


@pytest.fixture
def helm(kubeconfig: pathlib.Path, namespace: str) -> Iterator[helm_python.Config]:
    with helm_python.Config(kubeconfig_path=str(kubeconfig), namespace=namespace) as one:
        yield one


def test_a_release_from_install_to_uninstall(
    helm: helm_python.Config, chart: str, connection: client.ApiClient, namespace: str
) -> None:
    core, apps, batch = client.CoreV1Api(connection), client.AppsV1Api(connection), client.BatchV1Api(connection)

    def state() -> tuple[int, str, str]:
        """Ready replicas, colour, and the revision whose hook ran last."""
        job = batch.read_namespaced_job("shop-prepare", namespace)
        assert job.status.succeeded == 1
        return (
            apps.read_namespaced_deployment("shop", namespace).status.ready_replicas,
            core.read_namespaced_config_map("shop", namespace).data["colour"],
            job.spec.template.metadata.labels["revision"],
        )

    waiting: dict[str, Any] = {"timeout": SECONDS, "wait": "watcher"}
    assert helm.install(chart, "shop", **waiting)["status"] == "deployed"
    assert state() == (1, "blue", "1")
    assert helm.upgrade(chart, "shop", values={"replicas": 3, "colour": "red"}, **waiting)["revision"] == 2
    assert state() == (3, "red", "2")
    helm.rollback("shop", version=1, **waiting)
    assert state() == (1, "blue", "2"), "the chart has no rollback hook"
    assert [one["status"] for one in helm.history("shop")] == ["superseded", "superseded", "deployed"]
    helm.uninstall("shop", **waiting)
    assert not apps.list_namespaced_deployment(namespace).items
    assert not core.list_namespaced_secret(namespace).items, "the release's records are secrets"


def test_reads_renders_and_tests_a_release(helm: helm_python.Config, chart: str) -> None:
    with helm_python.Chart.load(chart) as loaded:
        rendered = helm.render(loaded, {"colour": "green"}, name="shop")
    assert any("green" in text for text in rendered.values())
    helm.install(chart, "shop", values={"colour": "green"}, timeout=SECONDS, wait="watcher")
    assert helm.get_values("shop") == {"colour": "green"}
    assert helm.get_values("shop", all_values=True)["replicas"] == 1
    assert [one["name"] for one in helm.list()] == ["shop"]
    assert helm.status("shop")["status"] == "deployed"
    helm.test("shop", timeout=SECONDS)
    helm.upgrade(chart, "shop", values={"checkCode": 3}, timeout=SECONDS, wait="watcher")
    with pytest.raises(helm_python.HelmError, match="check"):
        helm.test("shop", timeout=SECONDS)
    with pytest.raises(helm_python.HelmError):
        helm.install(chart, "shop", timeout=SECONDS)
    helm.uninstall("shop", timeout=SECONDS, wait="watcher")
    with pytest.raises(helm_python.HelmNotFoundError):
        helm.status("shop")


def test_a_failing_hook_fails_the_install(helm: helm_python.Config, chart: str) -> None:
    with pytest.raises(helm_python.HelmError, match="shop-prepare"):
        helm.install(chart, "shop", values={"hookCode": 3}, timeout=SECONDS, wait="watcher")
    assert helm.status("shop")["status"] == "failed"
