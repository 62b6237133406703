"""Where the history of a new cluster begins."""

from __future__ import annotations

import json

from tests.apiserver.servers import asked

PATH = "/api/v1/namespaces"


async def test_what_was_before_the_first_request_is_expired() -> None:
    async with asked() as ask:
        listed = json.loads((await ask(f"{PATH}?resourceVersion=1&resourceVersionMatch=Exact")).body)
        assert (listed["code"], listed["reason"]) == (410, "Expired")
        assert listed["message"] == "The resourceVersion for the provided list is too old."
        watch = await ask(f"{PATH}?watch=true&resourceVersion=1")
        event = json.loads(watch.body)
        assert (watch.status, event["type"], event["object"]["code"]) == (200, "ERROR", 410)
        assert event["object"]["message"].startswith("too old resource version: 1 (")


async def test_what_is_there_is_listed_and_watched_from_now_on() -> None:
    async with asked() as ask:
        now = json.loads((await ask(PATH)).body)["metadata"]["resourceVersion"]
        exact = await ask(f"{PATH}?resourceVersion={now}&resourceVersionMatch=Exact")
        assert {item["metadata"]["name"] for item in json.loads(exact.body)["items"]} >= {"default", "kube-system"}
        body = json.dumps({"metadata": {"name": "n"}}).encode()
        assert (await ask(PATH, method="POST", body=body, Content_Type="application/json")).status == 201
        watch = await ask(f"{PATH}?watch=true&resourceVersion={now}&timeoutSeconds=1")
        assert [json.loads(line)["type"] for line in watch.body.splitlines()] == ["ADDED"]
