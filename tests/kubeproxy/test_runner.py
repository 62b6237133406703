"""The shell on virtual time: what is sent when, and what happens when the kernel says no."""

from __future__ import annotations

from typing import Any

from pilothouse.api.types.core.v1 import Node, Service
from pilothouse.api.types.discovery.v1 import EndpointSlice
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.kit.tasks import TaskScope
from pilothouse.kubeproxy.backends.kernel import KernelRefused
from pilothouse.kubeproxy.model import Place, StaleFlow
from pilothouse.kubeproxy.runner import ServiceProxy
from pilothouse.machinery.client import WatchEvent
from pilothouse.machinery.informer import Informer
from pilothouse.testing.clock import VirtualClock
from tests.kubeproxy.build import endpoint, port, service, slice_of


class Fed:
    """Informers that the test feeds."""

    def __init__(self) -> None:
        self.held: dict[type[Any], Informer[Any]] = {}

    def of(self, kind: type[Any]) -> Informer[Any]:
        return self.held.setdefault(kind, Informer(kind))

    def put(self, obj: Any) -> None:
        self.of(type(obj)).apply(WatchEvent("MODIFIED", obj))

    def synced(self) -> None:
        for kind in (Service, EndpointSlice, Node):
            self.of(kind).replace(self.of(kind).list(), "1")


class FakeKernel:
    def __init__(self) -> None:
        self.sent: list[str] = []
        self.refuse = 0
        self.table = True
        self.forgotten: list[StaleFlow] = []

    async def prepare(self) -> None:
        pass

    async def apply(self, transaction: str) -> None:
        if self.refuse:
            self.refuse -= 1
            raise KernelRefused("no")
        self.sent.append(transaction)

    async def has_table(self, family: str, name: str) -> bool:
        return self.table

    async def forget_flow(self, flow: StaleFlow) -> None:
        self.forgotten.append(flow)


def version(obj: Any, number: int) -> Any:
    import msgspec

    return msgspec.structs.replace(obj, metadata=msgspec.structs.replace(obj.metadata, resource_version=str(number)))


async def test_nothing_is_sent_before_all_is_known(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.put(version(service(), 1))
        await clock.sleep(5)
        assert kernel.sent == []
        fed.synced()
        await proxy.wait_ready()
        (whole,) = kernel.sent
        assert whole.startswith("add table ip pilothouse\ndelete table ip pilothouse")
        assert "10.96.0.10 . tcp . 80 : goto refuse-aloud" in whole


async def test_a_burst_is_one_transaction_and_no_change_is_none(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.put(version(service("web", "10.96.0.10", port(80, protocol="UDP")), 1))
        fed.synced()
        await proxy.wait_ready()
        for number in range(1, 6):
            udp = (("", "UDP", 8080),)
            fed.put(version(slice_of(endpoint(f"10.1.0.{number}"), name=f"s{number}", ports=udp), 10 + number))
        await clock.sleep(1)
        assert len(kernel.sent) == 2
        assert [f.endpoint for f in kernel.forgotten] == [""]
        fed.put(version(service("web", "10.96.0.10", port(80, protocol="UDP")), 30))
        await clock.sleep(1)
        assert len(kernel.sent) == 2


async def test_a_refusal_is_followed_by_everything(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.synced()
        await proxy.wait_ready()
        kernel.refuse = 1
        fed.put(version(service(), 7))
        await clock.sleep(3)
        assert len(kernel.sent) == 2
        assert "delete table" in kernel.sent[1]
        assert "10.96.0.10 . tcp . 80" in kernel.sent[1]


async def test_a_flushed_table_comes_back(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.synced()
        await proxy.wait_ready()
        await clock.sleep(61)
        assert len(kernel.sent) == 1
        kernel.table = False
        await clock.sleep(31)
        assert len(kernel.sent) == 2


async def test_the_zone_of_the_node_counts(clock: VirtualClock) -> None:
    fed, kernel = Fed(), FakeKernel()
    proxy = ServiceProxy(fed, kernel, clock, Place("n1"))
    near, far = endpoint("10.1.0.1", zones=("za",)), endpoint("10.1.0.2", zones=("zb",))
    async with TaskScope("t") as scope:
        scope.spawn(proxy.run(), "proxy")
        fed.put(version(service(), 1))
        fed.put(version(slice_of(near, far), 2))
        fed.synced()
        await proxy.wait_ready()
        assert "10.1.0.2 . 8080" in kernel.sent[0]
        labels = {"topology.kubernetes.io/zone": "za"}
        fed.put(Node(metadata=ObjectMeta(name="n1", labels=labels, resource_version="9")))
        await clock.sleep(1)
        assert "delete element ip pilothouse ip-tcp-any { 10.96.0.10 . 80 . 1 }" in kernel.sent[1]
