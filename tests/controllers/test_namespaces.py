"""What a namespace gets when it is made, and how it goes."""

from __future__ import annotations

import msgspec

from pilothouse.api.types.core.v1 import ConfigMap, Container, Namespace, Pod, PodSpec, Secret, ServiceAccount
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.environment import Settings
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
        await clock.advance(3)
        assert not [n for n in await w.all(Namespace, "") if n.metadata.name == "ns"]
        assert await w.all(Secret, "else")
