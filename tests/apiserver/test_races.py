"""Operations of more than one write to the store, raced against another writer at each of their steps.

Every order of the steps of both is played on virtual time; what a client hears must fit one after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from pilothouse.api.codec.json import from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.facts import Resource
from pilothouse.api.types.apiextensions.v1 import CustomResourceDefinition
from pilothouse.api.types.coordination.v1 import Lease, LeaseSpec
from pilothouse.api.types.core.v1 import (
    Binding,
    ConfigMap,
    Container,
    Namespace,
    ObjectReference,
    Pod,
    PodCondition,
    PodSpec,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
)
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta, Status
from pilothouse.api.types.networking.v1 import IPAddress
from pilothouse.api.types.policy.v1 import (
    Eviction,
    PodDisruptionBudget,
    PodDisruptionBudgetSpec,
    PodDisruptionBudgetStatus,
)
from pilothouse.machinery.client import ApplyPatch, Client, MergePatch
from pilothouse.machinery.discovery import preferred
from pilothouse.store.memory import MemoryStore
from pilothouse.testing.clock import VirtualClock
from tests.apiserver.servers import on_virtual_time
from tests.turns import StoreOfTurns, Turns, orders

replace = msgspec.structs.replace
LABELS = {"app": "x"}
FINALIZER = "test.io/hold"


@dataclass
class Race:
    """One namespace in which two clients are at work; `answers` has what each heard: `ok`, or the error's code."""

    client: Client
    ns: str
    turns: Turns
    answers: dict[str, str] = field(default_factory=dict)
    uid: str = ""

    async def act(self, who: str, work: Awaitable[Any]) -> None:
        try:
            await work
        except StatusError as error:
            self.answers[who] = str(error.code)
        else:
            self.answers[who] = "ok"

    def place(self, who: str, what: str) -> int:
        """Where in the order of steps `who` did `what` for the first time; behind all if never."""
        steps = self.turns.steps
        found = [n for n, (actor, step) in enumerate(steps) if actor == who and step.startswith(what)]
        return found[0] if found else len(steps)

    def meta(self, name: str, **more: Any) -> ObjectMeta:
        return ObjectMeta(name=name, namespace=self.ns, **more)

    def pod(self, node: str = "") -> Pod:
        spec = PodSpec(containers=(Container(name="c", image="i"),), node_name=node)
        return Pod(metadata=self.meta("p", labels=LABELS), spec=spec)

    async def status(self, **changes: Any) -> None:
        pod = await self.client.get(Pod, "p", self.ns)
        await self.client.update(replace(pod, status=replace(pod.status, **changes)), subresource="status")


Act = Callable[[Race], Awaitable[Any]]
READY = (PodCondition(type="Ready", status="True"),)


def remove(kind: type[Any], name: str, **options: Any) -> Act:
    return lambda race: race.client.delete(kind, name, race.ns, **options)


async def remake(race: Race) -> None:
    await race.client.delete(Pod, "p", race.ns, grace_period_seconds=0)
    await race.client.create(race.pod("n"))


async def fail(race: Race) -> None:
    await race.status(phase="Failed")


async def hold(race: Race) -> None:
    patch = MergePatch({"metadata": {"finalizers": [FINALIZER]}})
    await race.client.patch(Pod, "p", race.ns, patch)


async def evict(race: Race) -> None:
    body = Eviction(metadata=race.meta("p"))
    await race.client.create_subresource(Pod, "p", race.ns, "eviction", body, Status)


async def bind(race: Race) -> None:
    body = Binding(metadata=race.meta("p"), target=ObjectReference(kind="Node", name="n"))
    await race.client.create_subresource(Pod, "p", race.ns, "binding", body, Status)


def has_begun(*conditions: PodCondition) -> Act:
    return lambda race: race.status(phase="Running", conditions=conditions)


async def play(
    clock: VirtualClock, prepare: Act, one: Act, other: Act, check: Callable[[Race], Awaitable[None]]
) -> None:
    """Play every order of `one` and `other`, each in a namespace of its own."""
    async with on_virtual_time(clock, StoreOfTurns(MemoryStore())) as (_, client):
        number = 0
        async for turns in orders(clock):
            number += 1
            race = Race(client, f"n{number}", turns)
            await client.create(Namespace(metadata=ObjectMeta(name=race.ns)))
            await client.create(ServiceAccount(metadata=race.meta("default")))
            await prepare(race)
            await turns.play(one=race.act("one", one(race)), other=race.act("other", other(race)))
            await clock.settle()
            try:
                await check(race)
            except AssertionError as error:
                raise AssertionError(f"{race.answers} after {turns.steps}") from error
            for kind in (Service, Pod):
                for obj in (await client.list(kind, race.ns)).items:
                    await client.delete(kind, obj.metadata.name, race.ns, grace_period_seconds=0)
        assert number > 1


def pod_on(node: str) -> Act:
    async def prepare(race: Race) -> None:
        race.uid = (await race.client.create(race.pod(node))).metadata.uid

    return prepare


async def pods(race: Race) -> list[Pod]:
    return list((await race.client.list(Pod, race.ns)).items)


async def deleted(race: Race) -> None:
    """The pod is gone or goes; NotFound hears only who came after it was gone; a namesake that was not there yet when
    the deletion began is left alone."""
    held = {p.metadata.uid: p for p in await pods(race)}
    assert race.uid not in held or held[race.uid].metadata.deletion_timestamp
    first = min(race.place("one", "replace"), race.place("one", "delete"))
    if race.answers["one"] != "ok":
        assert race.answers["one"] == "404"
        assert first == len(race.turns.steps), "it had written already"
    if race.place("other", "create") < len(race.turns.steps) and first < race.place("other", "create"):
        assert held.keys() - {race.uid}


@pytest.mark.parametrize("other", [remove(Pod, "p", grace_period_seconds=0), remove(Pod, "p"), fail, hold, remake])
@pytest.mark.parametrize("node", ["", "n"])
@pytest.mark.parametrize("grace", [0, None])
async def test_deletion_of_a_pod(clock: VirtualClock, node: str, grace: int | None, other: Act) -> None:
    one = remove(Pod, "p", grace_period_seconds=grace)
    await play(clock, pod_on(node), one, other, deleted)


@pytest.mark.parametrize("other", [remove(Pod, "p", grace_period_seconds=0), fail])
async def test_eviction_without_a_budget(clock: VirtualClock, other: Act) -> None:
    async def check(race: Race) -> None:
        assert race.uid not in {p.metadata.uid for p in await pods(race) if not p.metadata.deletion_timestamp}
        if race.answers["one"] != "ok":
            assert race.answers["one"] == "404"
            assert race.place("other", "delete") < race.place("one", "delete")

    await play(clock, pod_on("n"), evict, other, check)


def guarded(allowed: int, policy: str | None = None, *conditions: PodCondition, phase: str = "Pending") -> Act:
    async def prepare(race: Race) -> None:
        await pod_on("n")(race)
        await race.status(phase=phase, conditions=conditions)
        spec = PodDisruptionBudgetSpec(
            min_available=1, selector=LabelSelector(match_labels=LABELS), unhealthy_pod_eviction_policy=policy
        )
        made = await race.client.create(PodDisruptionBudget(metadata=race.meta("b"), spec=spec))
        status = PodDisruptionBudgetStatus(
            observed_generation=made.metadata.generation,
            disruptions_allowed=allowed,
            current_healthy=1,
            desired_healthy=1,
            expected_pods=1,
        )
        await race.client.update(replace(made, status=status), subresource="status")

    return prepare


@pytest.mark.parametrize(
    ("prepare", "phase"),
    [
        (guarded(0), "Pending"),
        (guarded(0, "AlwaysAllow", phase="Running"), "Running"),
        (guarded(0, phase="Running"), "Running"),
    ],
)
async def test_no_pod_that_became_ready_is_evicted_past_its_budget(
    clock: VirtualClock, prepare: Act, phase: str
) -> None:
    async def check(race: Race) -> None:
        (pod,) = await pods(race)
        ready_first = race.place("other", "replace /registry/pods") < race.place("one", "replace /registry/pods")
        if ready_first:
            assert race.answers["one"] == "429"
            assert pod.metadata.deletion_timestamp is None
        else:
            assert race.answers["one"] in ("ok", "429")
            assert bool(pod.metadata.deletion_timestamp) == (race.answers["one"] == "ok")

    await play(clock, prepare, evict, has_begun(*READY), check)


async def test_two_evictions_share_one_permit(clock: VirtualClock) -> None:
    async def check(race: Race) -> None:
        held = await race.client.get(PodDisruptionBudget, "b", race.ns)
        assert held.status.disruptions_allowed == 0
        assert [c.reason for c in held.status.conditions] == ["InsufficientPods"]
        assert "ok" in race.answers.values()
        assert set(race.answers.values()) <= {"ok", "429"}

    await play(clock, guarded(1, None, *READY, phase="Running"), evict, evict, check)


async def test_binding_and_deletion(clock: VirtualClock) -> None:
    async def check(race: Race) -> None:
        assert race.answers["other"] in ("ok", "404", "409")
        assert race.answers["one"] == "ok"
        assert all(p.metadata.deletion_timestamp for p in await pods(race))

    await play(clock, pod_on(""), remove(Pod, "p"), bind, check)


def held_map(name: str) -> Act:
    async def prepare(race: Race) -> None:
        await race.client.create(ConfigMap(metadata=race.meta(name, finalizers=(FINALIZER,))))
        await race.client.delete(ConfigMap, name, race.ns)

    return prepare


async def let_go(race: Race) -> None:
    held = await race.client.get(ConfigMap, "c", race.ns)
    await race.client.update(replace(held, metadata=replace(held.metadata, finalizers=(), resource_version="")))


async def test_two_take_away_the_last_finalizer(clock: VirtualClock) -> None:
    async def check(race: Race) -> None:
        for who, other in (("one", "other"), ("other", "one")):
            if race.answers[who] != "ok":
                # It was gone before this one looked.
                assert race.answers[who] == "404"
                assert race.place(other, "delete") < race.place(who, "delete")
                assert race.place(who, "delete") == len(race.turns.steps)
        assert "ok" in race.answers.values()
        assert not [c for c in (await race.client.list(ConfigMap, race.ns)).items if c.metadata.name == "c"]

    await play(clock, held_map("c"), let_go, let_go, check)


def lease(race: Race, holder: str) -> Lease:
    return Lease(metadata=race.meta("l"), spec=LeaseSpec(holder_identity=holder))


async def nothing(race: Race) -> None: ...


@pytest.mark.parametrize("gone", [False, True])
async def test_put_that_creates(clock: VirtualClock, gone: bool) -> None:
    async def other(race: Race) -> None:
        await race.client.create(lease(race, "other"))
        if gone:
            await race.client.delete(Lease, "l", race.ns)

    async def check(race: Race) -> None:
        assert race.answers["other"] in ("ok", "409")
        never = len(race.turns.steps)
        if race.answers["one"] == "ok":
            assert race.place("one", "create") < never
        else:
            # It was there when it came to it, and an update of a Lease must name a version.
            assert race.answers["one"] == "422"
            assert race.place("other", "create") < never
            assert race.place("one", "create") == never

    await play(clock, nothing, lambda race: race.client.update(lease(race, "one")), other, check)


@pytest.mark.parametrize("gone", [False, True])
async def test_apply_that_creates(clock: VirtualClock, gone: bool) -> None:
    async def apply(race: Race) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "one"}}
        await race.client.patch(ConfigMap, "c", race.ns, ApplyPatch(body, "one"))

    async def other(race: Race) -> None:
        await race.client.create(ConfigMap(metadata=race.meta("c"), data={"b": "other"}))
        if gone:
            await race.client.delete(ConfigMap, "c", race.ns)

    async def check(race: Race) -> None:
        assert race.answers["one"] == "ok"
        assert race.answers["other"] in ("ok", "409")

    await play(clock, nothing, apply, other, check)


async def test_deletion_of_many(clock: VirtualClock) -> None:
    async def prepare(race: Race) -> None:
        for name in "abc":
            await race.client.create(ConfigMap(metadata=race.meta(name)))

    async def check(race: Race) -> None:
        assert race.answers["one"] == "ok"
        assert race.answers["other"] in ("ok", "404")
        assert not (await race.client.list(ConfigMap, race.ns)).items

    many: Act = lambda race: race.client.delete_collection(ConfigMap, race.ns)  # noqa: E731
    await play(clock, prepare, many, remove(ConfigMap, "b"), check)


def service(name: str, ip: str = "") -> Act:
    def make(race: Race) -> Awaitable[Any]:
        ips = (ip,) if ip else ()
        spec = ServiceSpec(ports=(ServicePort(port=80),), cluster_ip=ip, cluster_ips=ips)
        return race.client.create(Service(metadata=race.meta(name), spec=spec))

    return make


async def addresses_fit(race: Race) -> None:
    """Each Service has its address for itself, and no address is held for nobody."""
    await race.turns.clock.advance(1.0)
    services = (await race.client.list(Service, race.ns)).items
    held = {
        a.metadata.name: a.spec.parent_ref.name
        for a in (await race.client.list(IPAddress)).items
        if a.spec.parent_ref is not None and a.spec.parent_ref.namespace == race.ns
    }
    assert held == {s.spec.cluster_ip: s.metadata.name for s in services}


IP = "10.96.7.7"


async def turned_over(race: Race) -> None:
    await race.client.delete(Service, "a", race.ns)
    await service("b", IP)(race)


@pytest.mark.parametrize(
    ("prepare", "one", "other", "codes"),
    [
        (nothing, service("a", IP), service("b", IP), {"ok", "422"}),
        (nothing, service("a"), service("a"), {"ok", "409"}),
        (nothing, service("a"), service("b"), {"ok"}),
        (service("a", IP), remove(Service, "a"), service("b", IP), {"ok", "422"}),
        (service("a", IP), remove(Service, "a"), turned_over, {"ok", "404", "422"}),
        (service("a", IP), remove(Service, "a"), remove(Service, "a"), {"ok", "404"}),
    ],
)
async def test_addresses_of_services(clock: VirtualClock, prepare: Act, one: Act, other: Act, codes: set[str]) -> None:
    async def check(race: Race) -> None:
        assert set(race.answers.values()) <= codes
        assert "ok" in race.answers.values()
        await addresses_fit(race)

    await play(clock, prepare, one, other, check)


async def test_namespace_that_is_let_go_twice(clock: VirtualClock) -> None:
    async def prepare(race: Race) -> None:
        await race.client.delete(Namespace, race.ns)

    async def finalize(race: Race) -> None:
        held = await race.client.get(Namespace, race.ns)
        meta = replace(held.metadata, resource_version="")
        freed = replace(held, metadata=meta, spec=replace(held.spec, finalizers=()))
        await race.client.update(freed, subresource="finalize")

    async def check(race: Race) -> None:
        assert set(race.answers.values()) <= {"ok", "404"}
        assert "ok" in race.answers.values()
        names = [n.metadata.name for n in (await race.client.list(Namespace)).items]
        assert race.ns not in names or (await race.client.get(Namespace, race.ns)).metadata.deletion_timestamp

    await play(clock, prepare, finalize, finalize, check)


DEFINITION: dict[str, Any] = {
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


async def test_no_object_outlives_its_definition(clock: VirtualClock) -> None:
    """Objects that are made while their definition goes are removed with it, or refused."""
    store = MemoryStore()
    async with on_virtual_time(clock, StoreOfTurns(store)) as (_, client):
        number = 0
        async for turns in orders(clock):
            number += 1
            race = Race(client, "default", turns)
            await client.create(from_builtins(DEFINITION, CustomResourceDefinition))
            await clock.advance(2)
            widgets = preferred(await client.metadata.resources())["example.com", "widgets"]

            async def make(resource: Resource) -> None:
                for name in ("a", "b"):
                    meta = {"name": name, "namespace": "default"}
                    body = ApplyPatch({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": meta}, "test")
                    await client.metadata.patch(resource, name, "default", body)

            one = client.delete(CustomResourceDefinition, "widgets.example.com")
            await turns.play(one=race.act("one", one), other=race.act("other", make(widgets)))
            await clock.advance(5)
            assert race.answers["one"] == "ok"
            assert race.answers["other"] in ("ok", "403", "404"), turns.steps
            assert not (await client.list(CustomResourceDefinition)).items
            assert not (await store.range("/registry/example.com/")).items, turns.steps
        assert number > 1
