"""The Node authorizer: relations come and go with pods, claims and volumes."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import (
    Container,
    CSIPersistentVolumeSource,
    EnvFromSource,
    LocalObjectReference,
    ObjectReference,
    PersistentVolume,
    PersistentVolumeClaimVolumeSource,
    PersistentVolumeSpec,
    Pod,
    PodSpec,
    SecretEnvSource,
    SecretReference,
    SecretVolumeSource,
    Volume,
)
from pilothouse.api.types.meta.v1 import FieldSelectorRequirement, ObjectMeta
from pilothouse.apiserver.authz.interface import Verdict
from pilothouse.apiserver.authz.node import NodeAuthorizer
from pilothouse.apiserver.authz.nodegraph import NodeGraph
from pilothouse.apiserver.request.access import Access
from pilothouse.testing.reader import FakeReader

NODE = UserInfo(username="system:node:n", groups=("system:nodes",))
POD = Pod(
    metadata=ObjectMeta(name="p", namespace="ns", generation=1),
    spec=PodSpec(
        node_name="n",
        service_account_name="robot",
        image_pull_secrets=(LocalObjectReference(name="pull"),),
        containers=(Container(name="c", env_from=(EnvFromSource(secret_ref=SecretEnvSource(name="env")),)),),
        volumes=(
            Volume(name="s", secret=SecretVolumeSource(secret_name="vol")),
            Volume(name="d", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="claim")),
        ),
    ),
)
VOLUME = PersistentVolume(
    metadata=ObjectMeta(name="pv"),
    spec=PersistentVolumeSpec(
        claim_ref=ObjectReference(namespace="ns", name="claim"),
        csi=CSIPersistentVolumeSource(node_publish_secret_ref=SecretReference(namespace="other", name="csi")),
    ),
)


def ask(reader: FakeReader, resource: str, name: str, namespace: str = "ns", verb: str = "get") -> Verdict:
    authorizer = NodeAuthorizer(NodeGraph(reader))
    resource, _, subresource = resource.partition("/")
    return authorizer.authorize(
        Access(NODE, verb, resource=resource, subresource=subresource, namespace=namespace, name=name)
    )


@pytest.mark.parametrize("name", ["pull", "env", "vol"])
def test_secrets_of_its_pods(name: str) -> None:
    assert ask(FakeReader(POD), "secrets", name).allowed
    assert not ask(FakeReader(POD), "secrets", name, namespace="other").allowed
    elsewhere = replace(POD, spec=replace(POD.spec, node_name="m"))
    reason = ask(FakeReader(elsewhere), "secrets", name).reason
    assert reason == "no relationship found between node 'n' and this object"


def test_volumes_claims_and_their_secrets() -> None:
    reader = FakeReader(POD, VOLUME)
    assert ask(reader, "persistentvolumeclaims", "claim").allowed
    assert ask(reader, "persistentvolumes", "pv", namespace="").allowed
    assert ask(reader, "secrets", "csi", namespace="other").allowed
    assert ask(reader, "serviceaccounts/token", "robot", verb="create").allowed
    assert not ask(reader, "serviceaccounts/token", "default", verb="create").allowed


def test_relations_follow_the_pod() -> None:
    reader = FakeReader(replace(POD, spec=replace(POD.spec, node_name="")))
    graph = NodeGraph(reader)
    authorizer = NodeAuthorizer(graph)
    access = Access(NODE, "get", resource="secrets", namespace="ns", name="vol")
    assert not authorizer.authorize(access).allowed
    reader.put(POD)
    assert authorizer.authorize(access).allowed
    reader.put(replace(POD, metadata=replace(POD.metadata, labels={"a": "b"})))
    assert authorizer.authorize(access).allowed
    reader.remove(POD)
    assert not authorizer.authorize(access).allowed
    assert not graph._nodes


@pytest.mark.parametrize(
    ("access", "reason"),
    [
        (Access(NODE, "update", resource="secrets", namespace="ns", name="x"), "can only read resources of this type"),
        (Access(NODE, "list", resource="secrets"), "can only read namespaced object of this type"),
        (Access(NODE, "list", resource="secrets", namespace="ns"), "No Object name found"),
        (Access(NODE, "get", resource="nodes", name="m"), "node 'n' cannot read 'm', only its own Node object"),
        (Access(NODE, "list", resource="nodes"), "node 'n' cannot read all nodes, only its own Node object"),
        (Access(NODE, "list", resource="pods"), "can only list/watch pods with spec.nodeName field selector"),
        (Access(NODE, "delete", resource="nodes", name="n"), ""),
        (
            Access(NODE, "get", "coordination.k8s.io", "v1", "leases", "", "kube-node-lease", "m"),
            "can only access node lease with the same name as the requesting node",
        ),
        (
            Access(UserInfo(username="system:node:", groups=("system:nodes",)), "get", resource="pods"),
            'unknown node for user "system:node:"',
        ),
    ],
)
def test_reasons(access: Access, reason: str) -> None:
    verdict = NodeAuthorizer(NodeGraph(FakeReader())).authorize(access)
    assert not verdict.allowed
    assert verdict.reason == reason


def test_lists_of_its_own_pods() -> None:
    mine = FieldSelectorRequirement(key="spec.nodeName", operator="In", values=("n",))
    authorizer = NodeAuthorizer(NodeGraph(FakeReader()))
    assert authorizer.authorize(Access(NODE, "watch", resource="pods", field_selector=(mine,))).allowed
