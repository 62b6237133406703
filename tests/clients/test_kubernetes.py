"""The official Python client."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from kubernetes import client, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

from tests.clients.objects import config_map, deployment, eventually, pod

pytestmark = pytest.mark.clients


def test_creates_reads_replaces_and_deletes(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("settings", colour="blue"))
    assert made.metadata.uid
    made.data["colour"] = "red"
    replaced = core.replace_namespaced_config_map("settings", namespace, made)
    assert replaced.data == {"colour": "red"}
    with pytest.raises(ApiException) as stale:
        core.replace_namespaced_config_map("settings", namespace, made)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")
    answer = core.delete_namespaced_config_map("settings", namespace)  # a V1Status in 36.x, a dict since 37
    assert core.api_client.sanitize_for_serialization(answer)["status"] == "Success"
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_config_map("settings", namespace)
    assert gone.value.status == 404


def test_typical_objects_come_back_typed(core: client.CoreV1Api, namespace: str) -> None:
    secret = core.create_namespaced_secret(namespace, client.V1Secret(
        metadata=client.V1ObjectMeta(name="key"), string_data={"word": "open"},
    ))  # fmt: skip
    assert secret.data == {"word": "b3Blbg=="}
    service = core.create_namespaced_service(namespace, client.V1Service(
        metadata=client.V1ObjectMeta(name="web"),
        spec=client.V1ServiceSpec(selector={"app": "web"}, ports=[client.V1ServicePort(port=80, target_port="http")]),
    ))  # fmt: skip
    assert service.spec.cluster_ip.startswith("10.96.")
    assert service.metadata.creation_timestamp.tzinfo is not None
    assert {node.metadata.name for node in core.list_node().items} == {"node-1", "node-2"}


def test_a_deployment_rolls_out_scales_and_goes(
    connection: client.ApiClient, core: client.CoreV1Api, namespace: str
) -> None:
    apps = client.AppsV1Api(connection)
    apps.create_namespaced_deployment(namespace, deployment("web", 2))

    def ready(count: int) -> bool:
        return apps.read_namespaced_deployment_status("web", namespace).status.ready_replicas == count

    eventually(lambda: ready(2))
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}})
    eventually(lambda: ready(3))
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    eventually(lambda: not core.list_namespaced_pod(namespace).items)


def test_watch_tells_of_every_change_and_resumes(core: client.CoreV1Api, namespace: str) -> None:
    before = core.list_namespaced_config_map(namespace, label_selector="seen").metadata.resource_version
    body = config_map("seen") | {"metadata": {"name": "seen", "labels": {"seen": "yes"}}}
    core.create_namespaced_config_map(namespace, body)
    core.patch_namespaced_config_map("seen", namespace, {"data": {"a": "b"}})
    core.delete_namespaced_config_map("seen", namespace)
    told = watch.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="seen", resource_version=before, timeout_seconds=1
    )
    assert [(event["type"], event["object"].data) for event in told] == [
        ("ADDED", None), ("MODIFIED", {"a": "b"}), ("DELETED", {"a": "b"}),
    ]  # fmt: skip


def test_patch_kinds(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("p", a="1", b="2"))

    def patch(body: Any, kind: str) -> Any:
        return core.patch_namespaced_config_map("p", namespace, body, _content_type=kind).data

    assert patch([{"op": "remove", "path": "/data/a"}], "application/json-patch+json") == {"b": "2"}
    assert patch({"data": {"c": "3", "b": None}}, "application/merge-patch+json") == {"c": "3"}
    assert patch({"data": {"d": "4"}}, "application/strategic-merge-patch+json") == {"c": "3", "d": "4"}


def test_pages_are_of_one_revision(core: client.CoreV1Api, namespace: str) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"page-{number}"))
    names: list[str] = []
    revisions, following = set(), None
    while following != "":
        page = core.list_namespaced_config_map(
            namespace, limit=2, field_selector="metadata.name!=kube-root-ca.crt", _continue=following
        )
        names += [one.metadata.name for one in page.items]
        revisions.add(page.metadata.resource_version)
        following = page.metadata._continue or ""
        core.create_namespaced_config_map(namespace, config_map(f"zz-{len(names)}"))
    assert names == [f"page-{number}" for number in range(5)]
    assert len(revisions) == 1


def test_dynamic_client_applies_with_owners(
    connection: client.ApiClient, namespace: str, tmp_path: pathlib.Path
) -> None:
    maps = dynamic.DynamicClient(connection, cache_file=str(tmp_path / "discovery")).resources.get(
        api_version="v1", kind="ConfigMap"
    )
    body = config_map("owned", colour="blue")
    applied = maps.server_side_apply(body=body, name="owned", namespace=namespace, field_manager="one")
    assert [(m.manager, m.operation) for m in applied.metadata.managedFields] == [("one", "Apply")]
    body["data"] = {"colour": "red"}
    with pytest.raises(dynamic.exceptions.ConflictError):
        maps.server_side_apply(body=body, name="owned", namespace=namespace, field_manager="two")
    taken = maps.server_side_apply(
        body=body, name="owned", namespace=namespace, field_manager="two", force_conflicts=True
    )
    assert taken.data.colour == "red"
    assert [one.metadata.name for one in maps.get(namespace=namespace, field_selector="metadata.name=owned").items]
    told = maps.watch(namespace=namespace, field_selector="metadata.name=owned", timeout=1)
    assert [event["type"] for event in told] == ["ADDED"]


def test_exec_streams(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_pod(namespace, pod("shell"))
    eventually(lambda: core.read_namespaced_pod("shell", namespace).status.phase == "Running")
    command = ["echo", "hello"]
    session = stream(
        core.connect_get_namespaced_pod_exec, "shell", namespace,
        command=command, stdout=True, stderr=True, stdin=False, _preload_content=False,
    )  # fmt: skip
    session.run_forever(timeout=10)
    assert "hello" in session.read_stdout()
    assert session.returncode == 0
    session.sock.shutdown()  # the client itself leaves its socket to the garbage collector
