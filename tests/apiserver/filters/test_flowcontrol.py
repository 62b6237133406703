"""Priority and fairness: classification, seats, queues and the flow_controller that ties them together."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.flowcontrol.v1 import FlowSchema, PriorityLevelConfiguration
from pilothouse.apiserver.filters.flowcontrol.classify import Classifier
from pilothouse.apiserver.filters.flowcontrol.controller import LONGEST_WAIT, FlowController, Seat, TooMany
from pilothouse.apiserver.filters.flowcontrol.queues import Full, Seats, deal
from pilothouse.apiserver.request.access import Access
from pilothouse.kinds.flowcontrol.bootstrap import flow_schemas, priority_levels
from pilothouse.testing.clock import VirtualClock
from pilothouse.testing.reader import FakeReader

SIGNED_IN = "system:authenticated"
ALICE = UserInfo(username="alice", groups=(SIGNED_IN,))
NODE = UserInfo(username="system:node:n", groups=("system:nodes", SIGNED_IN))
ROBOT = UserInfo(username="system:serviceaccount:ns:r", groups=("system:serviceaccounts", SIGNED_IN))
KUBE_DNS = UserInfo(username="system:serviceaccount:kube-system:d", groups=("system:serviceaccounts", SIGNED_IN))
MASTER = UserInfo(username="admin", groups=("system:masters",))
SCHEDULER = UserInfo(username="system:kube-scheduler", groups=(SIGNED_IN,))
NOBODY = UserInfo(username="system:anonymous", groups=("system:unauthenticated",))
PODS = {"resource": "pods", "namespace": "ns"}
LEASES = {"group": "coordination.k8s.io", "resource": "leases", "namespace": "ns"}


@pytest.mark.parametrize(
    ("access", "schema", "level", "distinguisher"),
    [
        (Access(MASTER, "list", **PODS), "exempt", "exempt", ""),
        (Access(NOBODY, "get", path="/livez"), "probes", "exempt", ""),
        (Access(NOBODY, "get", path="/version"), "global-default", "global-default", "system:anonymous"),
        (Access(NODE, "update", **LEASES), "system-node-high", "node-high", "system:node:n"),
        (Access(NODE, "list", **PODS), "system-nodes", "system", "system:node:n"),
        (Access(SCHEDULER, "update", **LEASES), "system-leader-election", "leader-election", SCHEDULER.username),
        (Access(SCHEDULER, "list", **PODS), "kube-scheduler", "workload-high", "ns"),
        (Access(KUBE_DNS, "list", **PODS), "kube-system-service-accounts", "workload-high", "ns"),
        (Access(ROBOT, "list", **PODS), "service-accounts", "workload-low", ROBOT.username),
        (Access(ALICE, "list", **PODS), "global-default", "global-default", "alice"),
    ],
)
def test_classification(access: Access, schema: str, level: str, distinguisher: str) -> None:
    flow = Classifier(flow_schemas()).classify(access)
    assert flow is not None
    assert (flow.schema.metadata.name, flow.level, flow.distinguisher) == (schema, level, distinguisher)


def test_nominal_seats_follow_the_shares() -> None:
    seats = Seats(245)
    seats.configure(priority_levels())
    assert {n: level.nominal for n, level in seats.levels.items()} == {
        "catch-all": 5,
        "system": 30,
        "node-high": 40,
        "leader-election": 10,
        "workload-high": 40,
        "workload-low": 100,
        "global-default": 20,
    }


def test_a_hand_is_always_the_same_and_has_no_card_twice() -> None:
    assert deal("a", 64, 6) == deal("a", 64, 6)
    assert all(len(set(deal(str(n), 8, 8))) == 8 for n in range(50))
    assert len(Counter(c for n in range(200) for c in deal(str(n), 16, 2))) == 16


def test_idle_seats_are_lent_up_to_their_limit() -> None:
    seats = Seats(245)
    seats.configure(priority_levels())
    default = seats.levels["global-default"]
    lendable = sum(o.lendable for o in seats.levels.values() if o is not default)
    count = 0
    while seats.has_room(default, 1):
        seats.start(default, 1)
        count += 1
    assert count == default.nominal + lendable
    assert seats.has_room(seats.levels["leader-election"], 10)
    seats.start(seats.levels["catch-all"], 1)
    assert not seats.has_room(seats.levels["catch-all"], 5)


def test_queues_are_served_in_turn_whatever_their_lengths() -> None:
    seats = Seats(1)
    seats.configure([p for p in priority_levels() if p.metadata.name == "workload-low"])
    level = seats.levels["workload-low"]
    seats.start(level, 1)
    order: list[str] = []

    def waiting(flow: str) -> None:
        def start() -> bool:
            order.append(flow)
            return True

        level.enqueue(flow, 1, start)

    for _ in range(40):
        waiting("flood")
    waiting("quiet")
    for _ in range(41):
        seats.finish(level, 1)
    assert order.index("quiet") <= 7


def test_a_full_hand_refuses() -> None:
    seats = Seats(1)
    seats.configure(priority_levels())
    with pytest.raises(Full):
        seats.levels["catch-all"].enqueue("x", 1, lambda: True)
    low = seats.levels["workload-low"]
    for _ in range(300):
        low.enqueue("x", 1, lambda: True)
    with pytest.raises(Full):
        low.enqueue("x", 1, lambda: True)


def flow_controller(clock: VirtualClock, total: int = 1) -> FlowController:
    return FlowController(FakeReader(*priority_levels(), *flow_schemas()), clock, total)


LIST = Access(ALICE, "list", **PODS)


async def test_who_waits_too_long_is_refused(clock: VirtualClock) -> None:
    made = flow_controller(clock)
    held: list[Seat] = []

    async def fill() -> None:
        while True:
            held.append(await made.enter(LIST))

    with pytest.raises(TooMany) as caught:
        await fill()
    assert clock.monotonic() >= LONGEST_WAIT
    answer = caught.value.answer()
    assert answer.status == 429
    assert (b"retry-after", b"1") in answer.headers
    for seat in held:
        seat.done()
    assert all(level.in_use == level.waiting == 0 for level in made.seats.levels.values())


async def test_one_level_full_leaves_others_free(clock: VirtualClock) -> None:
    made = flow_controller(clock, total=20)
    crowd = [asyncio.ensure_future(made.enter(LIST, 5000)) for _ in range(50)]
    await clock.settle()
    before = clock.monotonic()
    for _ in range(3):
        (await made.enter(Access(NODE, "update", **LEASES))).done()
    (await made.enter(Access(MASTER, "get", **PODS))).done()
    assert clock.monotonic() == before
    for task in crowd:
        task.cancel()
    results = await asyncio.gather(*crowd, return_exceptions=True)
    for found in results:
        if isinstance(found, Seat):
            found.done()
    assert all(level.in_use == level.waiting == 0 for level in made.seats.levels.values())


async def test_watches_take_no_seat(clock: VirtualClock) -> None:
    made = flow_controller(clock)
    for _ in range(100):
        await made.enter(Access(ALICE, "watch", **PODS))


async def test_the_gate_follows_changes(clock: VirtualClock) -> None:
    reader = FakeReader(*priority_levels(), *flow_schemas())
    made = FlowController(reader, clock)
    catch_all = reader.get(PriorityLevelConfiguration, "catch-all")
    default = reader.get(FlowSchema, "global-default")
    assert catch_all is not None
    assert default is not None
    assert catch_all.spec.limited is not None
    closed = replace(catch_all.spec.limited, nominal_concurrency_shares=0)
    reader.put(replace(catch_all, spec=replace(catch_all.spec, limited=closed)))
    reader.remove(default)
    catch = made.seats.levels["catch-all"]
    assert catch.nominal == 0
    made.seats.start(made.seats.levels["workload-low"], 1000)
    with pytest.raises(TooMany):
        await made.enter(LIST)
