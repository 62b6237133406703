import pytest

from pilothouse.apiserver.request.request_info import read


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/namespaces/a/pods", {}, ("list", "", "a", "pods", "", "")),
        ("GET", "/api/v1/namespaces/a/pods", {"watch": [""]}, ("watch", "", "a", "pods", "", "")),
        ("GET", "/api/v1/pods", {"watch": ["false"]}, ("list", "", "", "pods", "", "")),
        ("GET", "/api/v1/pods", {"fieldSelector": ["metadata.name=x"]}, ("list", "", "", "pods", "", "x")),
        ("GET", "/api/v1/watch/namespaces/a/pods", {}, ("watch", "", "a", "pods", "", "")),
        ("GET", "/api/v1/pods/x", {"watch": ["1"]}, ("get", "", "", "pods", "", "x")),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/a/deployments",
            {},
            ("deletecollection", "apps", "a", "deployments", "", ""),
        ),
        ("PUT", "/api/v1/namespaces/a/status", {}, ("update", "", "a", "namespaces", "status", "a")),
        ("PATCH", "/api/v1/namespaces/a", {}, ("patch", "", "a", "namespaces", "", "a")),
        ("POST", "/api/v1/namespaces/a/pods/p/exec", {}, ("create", "", "a", "pods", "exec", "p")),
    ],
)
def test_resource_requests(method, path, query, expected):
    info = read(method, path, query)
    assert (info.verb, info.group, info.namespace, info.resource, info.subresource, info.name) == expected


@pytest.mark.parametrize(
    "path", ["/", "/version", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/healthz/ping"]
)
def test_what_is_no_resource(path):
    assert not read("GET", path, {}).is_resource


def test_methods_are_no_verbs():
    assert read("LIST", "/healthz", {"watch": ["1"]}).verb == "list"
    assert read("LIST", "/api/v1/pods", {"watch": ["1"]}).verb == ""
