"""Paths that exist with other methods, and paths that do not exist at all."""

from __future__ import annotations

import json

import pytest

from tests.apiserver.servers import asked

AUTHORIZATION = "/apis/authorization.k8s.io/v1"


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("POST", "/api/v1/configmaps", 405),
        ("POST", f"{AUTHORIZATION}/localsubjectaccessreviews", 404),
        ("POST", "/api/v1/bindings", 404),
        ("GET", f"{AUTHORIZATION}/subjectaccessreviews", 405),
        ("GET", f"{AUTHORIZATION}/subjectaccessreviews/x", 404),
        ("POST", f"{AUTHORIZATION}/namespaces/default/subjectaccessreviews", 404),
        ("DELETE", "/api/v1/namespaces/default/pods/p/eviction", 405),
        ("GET", "/api/v1/namespaces/default/pods/p/nothing", 404),
        *((method, "/api/v1/namespaces/default/pods", 405) for method in ("FOO", "get", "PROPFIND", "X-y.z!")),
        *(("GET", path, 404) for path in ("//api/v1/namespaces", "/api/v1//namespaces", "/apis/apps//v1")),
    ],
)
async def test_a_method_that_a_path_lacks_and_a_path_that_is_none(method: str, path: str, wanted: int) -> None:
    async with asked() as ask:
        answer = await ask(path, method=method)
        assert (answer.status, json.loads(answer.body)["code"]) == (wanted, wanted)
