"""Names, descriptions, unions and media types of OpenAPI documents."""

from __future__ import annotations

from typing import Any

import pytest

from pilothouse.api import scheme
from pilothouse.apiserver.openapi import documents, plain


def document(group: str, version: str) -> dict[str, Any]:
    resources = [r for r in scheme.BY_KIND.values() if (r.group, r.version) == (group, version)]
    return documents.v3(resources, "v1.36.0", {})


@pytest.mark.parametrize(
    ("group", "version", "path", "method", "name", "description"),
    [
        ("apps", "v1", "/apis/apps/v1/", "get", "getAppsV1APIResources", "get available resources"),
        *(
            ("", "v1", f"/api/v1/{path}", method, name, description)
            for path, method, name, description in (
                ("pods", "get", "listCoreV1PodForAllNamespaces", "list or watch objects of kind Pod"),
                ("namespaces/{namespace}/pods", "post", "createCoreV1NamespacedPod", "create a Pod"),
                (
                    "namespaces/{namespace}/pods",
                    "delete",
                    "deleteCoreV1CollectionNamespacedPod",
                    "delete collection of Pod",
                ),
                ("namespaces/{namespace}/endpoints", "post", "createCoreV1NamespacedEndpoints", "create Endpoints"),
                (
                    "namespaces/{namespace}/pods/{name}/eviction",
                    "post",
                    "createCoreV1NamespacedPodEviction",
                    "create eviction of a Pod",
                ),
                (
                    "namespaces/{namespace}/pods/{name}/proxy/{path}",
                    "get",
                    "connectCoreV1GetNamespacedPodProxyWithPath",
                    "connect GET requests to proxy of Pod",
                ),
                ("nodes/{name}", "put", "replaceCoreV1Node", "replace the specified Node"),
            )
        ),
        (
            "rbac.authorization.k8s.io",
            "v1",
            "/apis/rbac.authorization.k8s.io/v1/watch/namespaces/{namespace}/roles",
            "get",
            "watchRbacAuthorizationV1NamespacedRoleList",
            "watch individual changes to a list of Role. deprecated: use the 'watch' parameter with a list operation "
            "instead.",
        ),
    ],
)
def test_operations_are_named_as_generated_clients_know_them(
    group: str, version: str, path: str, method: str, name: str, description: str
) -> None:
    operation = document(group, version)["paths"][path][method]
    assert (operation["operationId"], operation["description"]) == (name, description)


def test_operations_of_a_document_have_names_of_their_own() -> None:
    for group, version in {(r.group, r.version) for r in scheme.BY_KIND.values()}:
        paths = document(group, version)["paths"].values()
        ids = [op["operationId"] for item in paths for op in item.values() if isinstance(op, dict)]
        assert len(ids) == len(set(ids))


def test_discriminated_unions_are_told_of_the_types_that_have_them() -> None:
    schemas = document("flowcontrol.apiserver.k8s.io", "v1")["components"]["schemas"]
    assert schemas["io.k8s.api.flowcontrol.v1.LimitResponse"]["x-kubernetes-unions"] == [
        {"discriminator": "type", "fields-to-discriminateBy": {"queuing": "Queuing"}}
    ]
    assert schemas["io.k8s.api.flowcontrol.v1.Subject"]["x-kubernetes-unions"][0]["discriminator"] == "kind"
    subjects = document("rbac.authorization.k8s.io", "v1")["components"]["schemas"]["io.k8s.api.rbac.v1.Subject"]
    assert "x-kubernetes-unions" not in subjects


@pytest.mark.parametrize(
    ("name", "operation", "tag", "types"),
    [
        ("api", "getCoreAPIVersions", "core", 3),
        ("apis", "getAPIVersions", "apis", 3),
        ("apis/apps", "getAppsAPIGroup", "apps", 3),
        ("apis/rbac.authorization.k8s.io", "getRbacAuthorizationAPIGroup", "rbacAuthorization", 3),
        ("version", "getCodeVersion", "version", 1),
        (".well-known/openid-configuration", "getServiceAccountIssuerOpenIDConfiguration", "WellKnown", 1),
        ("openid/v1/jwks", "getServiceAccountIssuerOpenIDKeyset", "openid", 1),
    ],
)
def test_documents_of_groups_and_plain_paths(name: str, operation: str, tag: str, types: int) -> None:
    told = plain.operation(name, plain.answers(["apps", "rbac.authorization.k8s.io"])[name])
    assert told["operationId"] == operation
    assert told["tags"] == [tag]
    assert len(told["responses"]["200"]["content"]) == types
