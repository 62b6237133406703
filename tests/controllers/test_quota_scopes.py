"""Quotas that cover only pods that end by themselves, or only those that do not: by scopes and by scope selectors."""

from __future__ import annotations

import pytest

from pilothouse.api.errors import StatusError
from pilothouse.api.quantity import parse
from pilothouse.api.types.core.v1 import (
    Container,
    Pod,
    PodSpec,
    ResourceQuota,
    ResourceQuotaSpec,
    ResourceRequirements,
    ScopedResourceSelectorRequirement,
    ScopeSelector,
)
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.controllers.pod_control import with_spec
from pilothouse.testing.clock import VirtualClock
from tests.controllers.world import World, world

ENDING, LASTING = "Terminating", "NotTerminating"


def quota(scope: str, *, selected: bool) -> ResourceQuota:
    hard = {"pods": parse("1"), "requests.cpu": parse("1")}
    term = ScopedResourceSelectorRequirement(scope_name=scope, operator="Exists")
    spec = ResourceQuotaSpec(hard=hard, scopes=() if selected else (scope,))
    if selected:
        spec = with_spec(ResourceQuota(spec=spec), scope_selector=ScopeSelector(match_expressions=(term,))).spec
    return ResourceQuota(metadata=ObjectMeta(name=scope.lower(), namespace="ns"), spec=spec)


def pod(name: str, deadline: int | None) -> Pod:
    half = ResourceRequirements(requests={"cpu": parse("500m")})
    container = Container(name="c", image="i", resources=half)
    spec = PodSpec(containers=(container,), active_deadline_seconds=deadline)
    return Pod(metadata=ObjectMeta(name=name, namespace="ns"), spec=spec)


async def used(w: World, scope: str) -> tuple[str, str]:
    held = (await w.client.get(ResourceQuota, scope.lower(), "ns")).status.used
    return str(held["pods"]), str(held["requests.cpu"])


@pytest.mark.api("server")  # the API is what enforces it
@pytest.mark.parametrize("selected", [True, False])
async def test_each_covers_its_own_pods(clock: VirtualClock, selected: bool) -> None:
    async with world(clock, ("resourcequota-controller",)) as w:
        for scope in (ENDING, LASTING):
            await w.client.create(quota(scope, selected=selected))
        await w.rest()
        await w.client.create(pod("lasting", None))
        await w.rest()
        assert (await used(w, ENDING), await used(w, LASTING)) == (("0", "0"), ("1", "500m"))
        await w.client.create(pod("ending", 3600))
        await w.rest()
        assert (await used(w, ENDING), await used(w, LASTING)) == (("1", "500m"), ("1", "500m"))
        for scope, deadline in ((ENDING, 60), (LASTING, None)):
            with pytest.raises(StatusError, match=f"exceeded quota: {scope.lower()}, requested: pods=1"):
                await w.client.create(pod("more", deadline))
        await w.client.delete(Pod, "ending", "ns", grace_period_seconds=0)
        await w.rest()
        assert (await used(w, ENDING), await used(w, LASTING)) == (("0", "0"), ("1", "500m"))
        await w.client.create(pod("more", 60))
