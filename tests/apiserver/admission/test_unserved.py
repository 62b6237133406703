"""Warnings about what is accepted without effect."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.apiregistration.v1 import APIService, APIServiceSpec, ServiceReference
from pilothouse.api.types.apps.v1 import Deployment, DeploymentSpec
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.core.v1 import (
    Container,
    Node,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    Pod,
    PodSpec,
    PodTemplateSpec,
    Service,
    ServiceSpec,
    VolumeDevice,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.networking.v1 import NetworkPolicy, NetworkPolicySpec
from pilothouse.apiserver.admission import unserved
from pilothouse.apiserver.admission.plugins.unserved_fields import UnservedFields
from pilothouse.testing.admission import attributes, plugin_context
from pilothouse.testing.reader import FakeReader

META = ObjectMeta(name="p", namespace="ns")
PLAIN = Container(name="c", image="i")
DEVICES = replace(PLAIN, volume_devices=(VolumeDevice(name="d", device_path="/dev/x"),))
NODE = Node(metadata=ObjectMeta(name="node-1"))


def pod(container: Container, **spec: Any) -> Pod:
    return Pod(metadata=META, spec=PodSpec(containers=(container,), **spec))


def of_template(template: Pod) -> Deployment:
    assert template.spec is not None
    return Deployment(metadata=META, spec=DeploymentSpec(template=PodTemplateSpec(spec=template.spec)))


REASON = unserved.reasons()["core.v1.Container.volumeDevices"]
EFFECT = "accepted, but without effect on this cluster"


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (pod(PLAIN), []),
        (pod(DEVICES), [f"spec.containers[0].volumeDevices: {EFFECT}: {REASON}"]),
        (of_template(pod(DEVICES)), [f"spec.template.spec.containers[0].volumeDevices: {EFFECT}: {REASON}"]),
    ],
)
def test_members_are_named_by_their_path(obj: Any, expected: list[str]) -> None:
    assert list(unserved.warnings(obj)) == expected


def test_what_nobody_set_is_not_warned_of() -> None:
    claim = PersistentVolumeClaim(metadata=META, spec=PersistentVolumeClaimSpec(access_modes=("ReadWriteOnce",)))
    assert list(unserved.warnings(claim)) == []


def test_every_entry_is_reached_from_a_kind() -> None:
    """An entry with a slip in its name would warn nobody."""
    from pilothouse.api import scheme

    reasons: set[str] = set()

    def walk(listed: tuple[unserved.Branch, ...]) -> None:
        for branch in listed:
            reasons.update((branch.reason, *branch.values.values()))
            walk(branch.below)

    for resource in scheme.SERVED:
        walk(unserved.branches(scheme.type_of(resource.group, resource.version, resource.kind)))
    assert {*unserved.reasons().values(), *unserved.reasons_of_values().values()} <= reasons


@pytest.mark.parametrize(("type", "expected"), [("LoadBalancer", 1), ("NodePort", 0), ("", 0)])
def test_single_values_are_warned_of(type: str, expected: int) -> None:
    said = list(unserved.warnings(Service(metadata=META, spec=ServiceSpec(type=type))))
    assert [text.split(": ")[:2] for text in said] == [["spec.type=LoadBalancer", EFFECT]] * expected


@pytest.mark.parametrize(
    ("user", "nodes", "old", "count"),
    [
        ("alice", (NODE,), None, 1),
        ("alice", (), None, 0),
        ("system:serviceaccount:kube-system:job-controller", (NODE,), None, 0),
        ("alice", (NODE,), pod(DEVICES), 0),
        ("alice", (NODE,), pod(PLAIN), 1),
    ],
)
async def test_who_is_warned(user: str, nodes: tuple[Node, ...], old: Pod | None, count: int) -> None:
    plugin = UnservedFields(plugin_context(FakeReader(*nodes)))
    write = attributes("CREATE" if old is None else "UPDATE", pod(DEVICES), old)
    write.user = UserInfo(username=user)
    await plugin.validate(write)
    assert len(write.warnings) == count


def test_only_kinds_with_such_members_are_looked_at() -> None:
    plugin = UnservedFields(plugin_context(FakeReader()))
    assert plugin.handles("CREATE", "apps", "deployments", "")
    assert not plugin.handles("CREATE", "", "configmaps", "")
    assert not plugin.handles("UPDATE", "", "pods", "status")


def test_a_kind_without_effect_is_told_once() -> None:
    policy = NetworkPolicy(metadata=META, spec=NetworkPolicySpec(policy_types=("Ingress", "Egress")))
    assert [text.partition(":")[0] for text in unserved.warnings(policy)] == ["spec"]


RULED = {"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}


def crd(schema: dict[str, Any], conversion: dict[str, Any] | None = None) -> CustomResourceDefinition:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec: dict[str, Any] = {"group": "example.com", "scope": "Cluster", "names": {"plural": "ws", "kind": "W"}}
    spec |= {"versions": [version]} | ({"conversion": conversion} if conversion else {})
    return convert({"metadata": {"name": "ws.example.com"}, "spec": spec}, CustomResourceDefinition)


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "object"}, None),
        (RULED, "openAPIV3Schema.x-kubernetes-validations"),
        ({"properties": {"a": {"properties": {"b": RULED}}}}, "openAPIV3Schema.properties[a].properties[b].x-kub"),
        ({"properties": {"a": {"items": {"additionalProperties": RULED}}}}, "[a].items.additionalProperties.x-kube"),
        ({"allOf": [{"type": "object"}, {"not": RULED}]}, "openAPIV3Schema.allOf[1].not.x-kubernetes-validations:"),
        ({"properties": {"a": RULED, "b": RULED, "c": RULED}}, "properties[a].x-kubernetes-validations (and 2 more):"),
    ],
)
def test_rules_of_schemas_are_told_of_once_wherever_they_are(schema: dict[str, Any], where: str | None) -> None:
    texts = list(unserved.warnings(crd(schema)))
    assert len(texts) == (where is not None)
    assert all(text.startswith("spec.versions[0].schema.") and EFFECT in text and str(where) in text for text in texts)


def test_conversion_webhooks_and_other_api_servers_are_told_of() -> None:
    webhook = {"clientConfig": {"url": "https://c.example.com"}, "conversionReviewVersions": ["v1"]}
    (text,) = unserved.warnings(crd({"type": "object"}, {"strategy": "Webhook", "webhook": webhook}))
    assert text.startswith(f"spec.conversion.webhook: {EFFECT}")
    local = APIServiceSpec(group="g.example.com", version="v1", group_priority_minimum=1, version_priority=1)
    assert list(unserved.warnings(APIService(metadata=META, spec=local))) == []
    remote = replace(local, service=ServiceReference(namespace="ns", name="s"))
    (text,) = unserved.warnings(APIService(metadata=META, spec=remote))
    assert text.startswith(f"spec.service: {EFFECT}")


async def test_a_definition_is_looked_at_by_the_plugin() -> None:
    plugin = UnservedFields(plugin_context(FakeReader(NODE)))
    assert plugin.handles("UPDATE", "apiextensions.k8s.io", "customresourcedefinitions", "")
    assert plugin.handles("CREATE", "apiregistration.k8s.io", "apiservices", "")
    write = attributes("CREATE", crd(RULED), None)
    write.user = UserInfo(username="alice")
    await plugin.validate(write)
    assert len(write.warnings) == 1
