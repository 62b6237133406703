"""Rules of the API that hold for all kinds: field selectors, preconditions, options of lists, apply to what is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.apiserver.servers import Ask, asked

APPLY = "application/apply-patch+yaml"


async def posted(ask: Ask, path: str, obj: Any) -> dict[str, Any]:
    answer = await ask(path, method="POST", body=json.dumps(obj).encode(), content_type="application/json")
    assert answer.status == 201, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


@pytest.mark.parametrize(
    ("path", "selector", "names"),
    [
        ("/apis/scheduling.k8s.io/v1/priorityclasses", "metadata.namespace=x", []),
        ("/apis/scheduling.k8s.io/v1/priorityclasses", "metadata.name=one,metadata.namespace=", ["one"]),
        ("/apis/scheduling.k8s.io/v1/priorityclasses", "metadata.namespace!=x,metadata.name!=one", ["two"]),
    ],
)
async def test_every_kind_is_selected_by_name_and_namespace(path: str, selector: str, names: list[str]) -> None:
    async with asked() as ask:
        for name in ("one", "two"):
            await posted(ask, path, {"metadata": {"name": name}, "value": 1})
        found = json.loads((await ask(f"{path}?fieldSelector={selector}")).body)
        assert [item["metadata"]["name"] for item in found["items"] if item["value"] == 1] == names


@pytest.mark.parametrize(
    ("selector", "names"), [("spec.host=n", ["on"]), ("spec.host!=n", ["off"]), ("status.podIPs=1.2.3.4", [])]
)
async def test_old_names_of_the_fields_of_pods(selector: str, names: list[str]) -> None:
    async with asked() as ask:
        await posted(ask, "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        for name, node in (("on", "n"), ("off", "m")):
            spec = {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}
            await posted(ask, "/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": spec})
        found = json.loads((await ask(f"/api/v1/namespaces/default/pods?fieldSelector={selector}")).body)
        assert [item["metadata"]["name"] for item in found["items"]] == names


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/api/v1/nodes", "field label not supported: metadata.namespace"),
        ("/api/v1/namespaces", "field label not supported: metadata.namespace"),
        (
            "/apis/resource.k8s.io/v1/resourceslices",
            "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: metadata.namespace",
        ),
    ],
)
async def test_kinds_with_labels_of_their_own_know_those_alone(path: str, message: str) -> None:
    async with asked() as ask:
        answer = await ask(f"{path}?fieldSelector=metadata.namespace=x")
        assert (answer.status, json.loads(answer.body)["message"]) == (400, message)


@pytest.mark.parametrize(
    ("path", "wanted", "told"),
    [
        (
            "/api/v1/namespaces/n",
            {"uid": "u"},
            'namespaces "n": Precondition failed: UID in precondition: u, UID in obj',
        ),
        (
            "/api/v1/namespaces/n",
            {"resourceVersion": "1"},
            'namespaces "n": Precondition failed: ResourceVersion in precondition: 1, ResourceVersion in object meta: ',
        ),
        (
            "/api/v1/namespaces/n/configmaps/c",
            {"uid": "u"},
            'ConfigMap "c": the UID in the precondition (u) does not match the UID in record (',
        ),
    ],
)
async def test_preconditions_of_a_deletion(path: str, wanted: dict[str, str], told: str) -> None:
    async with asked() as ask:
        await posted(ask, "/api/v1/namespaces", {"metadata": {"name": "n"}})
        await posted(ask, "/api/v1/namespaces/n/configmaps", {"metadata": {"name": "c"}})
        body = json.dumps({"preconditions": wanted}).encode()
        answer = await ask(path, method="DELETE", body=body, content_type="application/json")
        message = json.loads(answer.body)["message"]
        assert answer.status == 409
        assert message.startswith(f"Operation cannot be fulfilled on {told}")


async def test_an_apply_that_means_an_object_by_uid_makes_no_other_one() -> None:
    async with asked() as ask:
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "uid": "u"}}
        path = "/api/v1/namespaces/default/configmaps/c?fieldManager=m"
        answer = await ask(path, method="PATCH", body=json.dumps(config).encode(), content_type=APPLY)
        assert (answer.status, json.loads(answer.body)["message"]) == (
            409,
            'Operation cannot be fulfilled on configmaps "c": uid mismatch: the provided object specified uid u, and '
            "no existing object was found",
        )


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("resourceVersionMatch=Foo&continue=x", ["is forbidden unless", "when continue", 'value: "Foo"']),
        ("resourceVersionMatch=Exact&resourceVersion=0", ['"exact" is forbidden']),
        ("watch=1&resourceVersionMatch=Exact", ["unless sendInitialEvents", 'value: "Exact"']),
        (
            "watch=1&sendInitialEvents=true&resourceVersionMatch=Exact&continue=x",
            ["requires setting", 'value: "Exact"', "when continue"],
        ),
    ],
)
async def test_all_that_is_wrong_with_the_options_of_a_list_is_told(query: str, faults: list[str]) -> None:
    async with asked() as ask:
        answer = await ask(f"/api/v1/namespaces/default/configmaps?{query}")
        causes = [cause["message"] for cause in json.loads(answer.body)["details"]["causes"]]
        assert answer.status == 422
        assert len(causes) == len(faults)
        assert all(fault in cause for fault, cause in zip(faults, causes, strict=True))
