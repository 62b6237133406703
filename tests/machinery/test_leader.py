"""Leader election: one at a time, the next after the duration, stopped before that."""

from __future__ import annotations

from pilothouse.api import errors
from pilothouse.api.types.coordination.v1 import Lease
from pilothouse.kit.random import Chance
from pilothouse.kit.tasks import TaskScope
from pilothouse.machinery.leader import Elector
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.fake_client import FakeClient
from pilothouse.testing.fake_cluster import FakeCluster


async def test_one_leads_and_the_next_takes_over_only_after_it_stopped(clock: VirtualClock) -> None:
    cluster = FakeCluster(clock)
    client = FakeClient(cluster)
    leading: dict[str, bool] = {"a": False, "b": False}
    together = False

    def work(name: str) -> object:
        async def lead() -> None:
            nonlocal together
            leading[name] = True
            together = together or all(leading.values())
            try:
                await clock.sleep(1e9)
            finally:
                leading[name] = False

        return lead

    cut = False
    clients = {"a": FakeClient(cluster), "b": client}
    async with TaskScope("test") as scope:
        for name in ("a", "b"):
            elector = Elector(clients[name], clock, Chance(1), name="job", identity=name)
            scope.spawn(elector.run(work(name)), name)  # type: ignore[arg-type]
            await clock.advance(1)
        assert leading == {"a": True, "b": False}
        await clock.advance(60)
        assert leading == {"a": True, "b": False}

        usual = clients["a"].get

        async def get(kind: type[object], name: str, namespace: str = "") -> object:
            if cut:
                raise errors.internal("cut off")
            return await usual(kind, name, namespace)  # type: ignore[type-var]

        clients["a"].get = get  # type: ignore[assignment, method-assign]
        cut = True
        await clock.advance(12)
        assert leading == {"a": False, "b": False}
        await clock.advance(12)
        assert leading == {"a": False, "b": True}
        assert not together
        lease = await client.get(Lease, "job", "kube-system")
        assert (lease.spec.holder_identity, lease.spec.lease_transitions) == ("b", 1)
