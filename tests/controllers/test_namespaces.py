"""What a namespace gets when it is made, and how it goes."""

from __future__ import annotations

import msgspec
import pytest

from pilothouse.api.facts import Resource
from pilothouse.api.types.core.v1 import ConfigMap, Container, Namespace, Pod, PodSpec, Secret, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta, PartialObjectMetadata
from pilothouse.controllers.environment import Settings
from pilothouse.controllers.namespace import Remains, pods_grace
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import world

replace = msgspec.structs.replace


async def test_new_namespace_gets_account_and_authority_at_once(clock: VirtualClock) -> None:
    names = ("serviceaccount-controller", "root-ca-certificate-publisher-controller")
    async with world(clock, names, Settings(cluster_authority="PEM")) as w:
        start = clock.monotonic()
        await w.client.create(Namespace(metadata=ObjectMeta(name="new")))
        await clock.settle()
        assert clock.monotonic() == start
        for namespace in ("ns", "new"):
            assert [a.metadata.name for a in await w.all(ServiceAccount, namespace)] == ["default"]
            (published,) = await w.all(ConfigMap, namespace)
            assert (published.metadata.name, published.data) == ("kube-root-ca.crt", {"ca.crt": "PEM"})
        await w.client.delete(ServiceAccount, "default", "new")
        await w.client.update(replace(published, data={}))
        await w.rest()
        assert await w.all(ServiceAccount, "new")
        assert (await w.client.get(ConfigMap, "kube-root-ca.crt", "new")).data == {"ca.crt": "PEM"}


async def test_deleted_namespace_is_emptied_pods_first(clock: VirtualClock) -> None:
    async with world(clock, ("namespace-controller",)) as w:
        spec = PodSpec(containers=(Container(name="c", image="i"),), node_name="n")
        await w.client.create(Pod(metadata=ObjectMeta(name="p", namespace="ns"), spec=spec))
        await w.client.create(Namespace(metadata=ObjectMeta(name="else")))
        await w.client.create(Secret(metadata=ObjectMeta(name="s", namespace="ns", finalizers=("x/y",))))
        await w.client.create(Secret(metadata=ObjectMeta(name="other", namespace="else")))
        await w.client.delete(Namespace, "ns")
        await w.rest()
        (pod,) = await w.all(Pod)
        assert pod.metadata.deletion_timestamp
        (secret,) = await w.all(Secret)
        assert secret.metadata.deletion_timestamp is None
        namespace = await w.client.get(Namespace, "ns")
        told = {c.type: (c.status, c.reason, c.message) for c in namespace.status.conditions}
        assert told["NamespaceContentRemaining"] == (
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: pods. has 1 resource instances",
        )
        await w.client.delete(Pod, "p", "ns", grace_period_seconds=0)
        await w.rest()
        (secret,) = await w.all(Secret)
        assert secret.metadata.deletion_timestamp
        namespace = await w.client.get(Namespace, "ns")
        told = {c.type: (c.status, c.reason, c.message) for c in namespace.status.conditions}
        assert told["NamespaceFinalizersRemaining"][2] == (
            "Some content in the namespace has finalizers remaining: x/y in 1 resource instances"
        )
        await w.client.update(replace(secret, metadata=replace(secret.metadata, finalizers=())))
        await clock.advance(8)
        assert not [n for n in await w.all(Namespace, "") if n.metadata.name == "ns"]
        assert await w.all(Secret, "else")


@pytest.mark.parametrize(
    ("graces", "since", "expected"), [((30, 5), 1, 30), ((30,), 31, 0), ((), 0, 0), ((0,), 0, 0), ((None,), 0, 0)]
)
def test_how_long_the_pods_of_a_namespace_may_take(
    graces: tuple[int | None, ...], since: float, expected: float
) -> None:
    found = [Pod(spec=PodSpec(termination_grace_period_seconds=grace)) for grace in graces]
    assert pods_grace(found, since) == expected


SECRETS = Resource("", "v1", "secrets", "Secret", "secret", True, ("delete", "list"))


@pytest.mark.parametrize(
    ("finalizers", "grace", "wait", "errors"),
    [
        ((), 0.0, 0.0, ["unexpected items still remain in namespace: ns for gvr: /v1, Resource=secrets"]),
        (("a/b",), 0.0, 15.0, []),
        (("a/b",), 40.0, 40.0, []),
        ((), 40.0, 40.0, []),
    ],
)
def test_how_long_what_is_left_is_waited_for(
    finalizers: tuple[str, ...], grace: float, wait: float, errors: list[str]
) -> None:
    remains = Remains()
    remains.add(SECRETS, [PartialObjectMetadata(metadata=ObjectMeta(finalizers=finalizers))], grace, "ns")
    assert (remains.wait, remains.errors, remains.failed) == (wait, errors, bool(errors))


async def test_a_namespace_that_waits_for_a_finalizer_is_looked_at_every_eight_seconds(clock: VirtualClock) -> None:
    async with world(clock, ("namespace-controller",)) as w:
        await w.client.create(Secret(metadata=ObjectMeta(name="s", namespace="ns", finalizers=("x/y",))))
        await w.client.delete(Namespace, "ns")
        await w.rest()
        rounds = w.controllers["namespace-controller"].reconciled
        await clock.advance(80)
        assert 9 <= w.controllers["namespace-controller"].reconciled - rounds <= 11
