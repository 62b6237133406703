"""Tables and metadata of what is not stored, and of what is no list or one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilothouse.api.codec import protobuf
from pilothouse.api.types.meta.v1 import PartialObjectMetadata, PartialObjectMetadataList
from tests.apiserver.servers import Ask, asked

FORM = "application/json;as={};g=meta.k8s.io;v=v1"


async def told(ask: Ask, path: str, shape: str) -> tuple[int, Any]:
    answer = await ask(path, Accept=FORM.format(shape))
    return answer.status, json.loads(answer.body)


async def test_what_is_not_stored_has_a_table_and_metadata() -> None:
    async with asked() as ask:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        body = {"metadata": {"name": "r"}, "spec": spec}
        namespaced = "/apis/apps/v1/namespaces/default/replicasets"
        made = await ask(namespaced, method="POST", body=json.dumps(body).encode(), Content_Type="application/json")
        assert made.status == 201
        _, scale = await told(ask, f"{namespaced}/r/scale", "Table")
        assert [c["name"] for c in scale["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
        assert scale["rows"][0]["cells"][:3] == ["r", 0, 0]
        assert scale["metadata"] == {"resourceVersion": scale["rows"][0]["object"]["metadata"]["resourceVersion"]}
        assert (await told(ask, f"{namespaced}/r/scale", "PartialObjectMetadata"))[1]["metadata"]["name"] == "r"
        _, statuses = await told(ask, "/api/v1/componentstatuses", "Table")
        assert ["etcd-0", "Healthy", "ok", ""] in [row["cells"] for row in statuses["rows"]]


@pytest.mark.parametrize(
    ("path", "shape", "wanted"),
    [
        ("/api/v1/secrets", "PartialObjectMetadata",
         "you requested PartialObjectMetadata, but the requested object is a list (*core.SecretList)"),
        ("/api/v1/namespaces/default", "PartialObjectMetadataList",
         "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Namespace)"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "PartialObjectMetadata",
         "you requested PartialObjectMetadata, but the requested object is a list (*rbac.ClusterRoleList)"),
    ],
)  # fmt: skip
async def test_a_list_is_not_one_object(path: str, shape: str, wanted: str) -> None:
    async with asked() as ask:
        status, body = await told(ask, path, shape)
        assert (status, body["reason"], body["message"]) == (406, "NotAcceptable", wanted)


PROTOBUF = "application/vnd.kubernetes.protobuf;as={};g=meta.k8s.io;v=v1"


async def test_metadata_in_protobuf_alone_in_lists_and_in_watches() -> None:
    async with asked() as ask:
        one = await ask("/api/v1/namespaces/default", Accept=PROTOBUF.format("PartialObjectMetadata"))
        assert one.headers["content-type"] == "application/vnd.kubernetes.protobuf"
        assert protobuf.decode(one.body, PartialObjectMetadata).metadata.name == "default"
        many = await ask("/api/v1/namespaces", Accept=PROTOBUF.format("PartialObjectMetadataList"))
        found = protobuf.decode(many.body, PartialObjectMetadataList)
        assert "default" in {item.metadata.name for item in found.items or ()}
        assert found.metadata.resource_version
        query = "watch=true&timeoutSeconds=1&fieldSelector=metadata.name=default"
        watch = await ask(f"/api/v1/namespaces?{query}", Accept=PROTOBUF.format("PartialObjectMetadata"))
        assert watch.headers["content-type"] == "application/vnd.kubernetes.protobuf;stream=watch"
        assert b"k8s\x00" in watch.body
        assert b"PartialObjectMetadata" in watch.body
        assert watch.body[:1] == b"\0"  # a length, not the brace of JSON


async def test_tables_are_not_written_in_protobuf() -> None:
    async with asked() as ask:
        assert (await ask("/api/v1/namespaces", Accept=PROTOBUF.format("Table"))).status == 406
        other = await ask("/api/v1/namespaces", Accept=PROTOBUF.format("Table") + "," + FORM.format("Table"))
        assert json.loads(other.body)["kind"] == "Table"


async def test_nothing_is_done_whose_answer_cannot_be_given() -> None:
    async with asked() as ask:
        path = "/api/v1/namespaces/default/pods/none/eviction"
        body = json.dumps({"metadata": {"name": "none"}}).encode()
        sent = {"Content_Type": "application/json", "method": "POST", "body": body}
        assert (await ask(path, Accept=FORM.format("Table"), **sent)).status == 406
        assert (await ask(path, Accept=FORM.format("Table") + ",application/json", **sent)).status == 404
