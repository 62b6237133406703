"""Objects with very many items of one kind, as large as a request may be: what is done with them grows no faster than
they do, and what is said of them stays short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilothouse.api.codec.json import encode, from_builtins, longer_than
from pilothouse.api.errors import StatusError
from pilothouse.api.field_errors import LONGEST_TOLD, MOST_MADE, FieldError, as_status, bounded, invalid
from pilothouse.api.types.batch.v1 import JobSpec
from pilothouse.api.types.core.v1 import ConfigMap, Pod, PodSpec, ResourceRequirements
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.api.types.rbac.v1 import PolicyRule
from pilothouse.apiserver.generic import writing
from pilothouse.apiserver.generic.emptiness import with_empty
from pilothouse.apiserver.generic.writing import distinct_owners
from pilothouse.apiserver.request.warnings import LONGEST_WHEN_MANY, Warnings
from pilothouse.apiserver.request.warnings import MOST_CHARACTERS as MOST_WARNED
from pilothouse.kinds.apiextensions import schema_rules
from pilothouse.kinds.batch import job_rules
from pilothouse.kinds.core.podspec import placement, resources, warnings
from pilothouse.semantics.rbac import missing
from tests.apiserver.test_growth import STRATEGIES, WRITE, Calls

FEW, MANY, ROUNDS = 1000, 16_000, 3
PODS = next(strategy for strategy in STRATEGIES if strategy.type is Pod)
Work = Callable[[], object]


def spec_with(containers: list[dict[str, Any]], **more: Any) -> PodSpec:
    return from_builtins({"containers": [{"name": "c", "image": "i", **one} for one in containers], **more}, PodSpec)


def warned(spec: PodSpec) -> Callable[[], list[str]]:
    return lambda: list(warnings.pod_and_meta("", spec, ObjectMeta()))


def ports(count: int) -> Work:
    return warned(spec_with([{"ports": [{"containerPort": 1, "protocol": "TCP"}] * count}]))


def host_ports(count: int) -> Work:
    return warned(spec_with([{"ports": [{"containerPort": 1, "hostPort": i + 1} for i in range(count)]}]))


def host_addresses(count: int) -> Work:
    taken = [{"containerPort": 1, "hostPort": 1, "hostIP": f"10.0.{i // 256}.{i % 256}"} for i in range(count)]
    return warned(spec_with([{"ports": taken}]))


def pull_secrets(count: int) -> Work:
    return warned(spec_with([{}], imagePullSecrets=[{"name": f"s{i}"} for i in range(count)]))


def owners(count: int) -> Work:
    references = [{"apiVersion": "v1", "kind": "A", "name": f"n{i}", "uid": f"u{i}"} for i in range(count)]
    owned = from_builtins({"metadata": {"ownerReferences": references}}, ConfigMap)
    return lambda: distinct_owners(owned)


def spread(count: int) -> Work:
    one = {"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    spec = spec_with([{}], topologySpreadConstraints=[{**one, "topologyKey": f"k{i}"} for i in range(count)])
    return lambda: placement.topology_spread("spec", spec.topology_spread_constraints)


def claims(count: int) -> Work:
    asked = {"claims": [{"name": f"c{i}"} for i in range(count)]}
    used = from_builtins(asked, ResourceRequirements)
    known = [f"d{i}" for i in range(count)]
    return lambda: resources.claim_names("claims", used.claims, known)


def exit_codes(count: int) -> Work:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": list(range(1, count))}}
    template = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
    spec = from_builtins({"podFailurePolicy": {"rules": [rule]}, "template": template}, JobSpec)
    return lambda: job_rules.job_spec("spec", spec)


def map_keys(count: int) -> Work:
    properties = {f"k{i}": {"type": "string"} for i in range(count)}
    items = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    return lambda: list(schema_rules._map_keys(items, list(properties), "items"))


def sent_empty(count: int) -> Work:
    sent = {"containers": [{"name": "c", "args": []}] * count}
    spec = from_builtins(sent, PodSpec)
    return lambda: with_empty(spec, sent)


def seconds(work: Work) -> float:
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


@pytest.mark.parametrize(
    "made",
    [ports, host_ports, host_addresses, pull_secrets, owners, spread, claims, exit_codes, map_keys, sent_empty],
)
def test_work_grows_with_the_items(made: Callable[[int], Work]) -> None:
    """Sixteen times the items: sixteen times the work, where their square would be 256 times."""
    few = max(seconds(made(FEW)), 0.0005)
    assert seconds(made(MANY)) < 80 * few


def test_ports_in_each_others_way_are_told_in_their_order() -> None:
    numbers = [(0, ""), (80, ""), (80, "10.0.0.1"), (80, "10.0.0.2"), (81, ""), (80, "10.0.0.1"), (0, "")]
    listed = [{"containerPort": 1, "hostPort": port, "hostIP": ip} for port, ip in numbers]
    told = [text.partition(": ") for text in warned(spec_with([{"ports": listed}]))()]
    short = [f"{at[-2]} {text.split()[0]} {text[-2]}" for at, _, text in told]
    assert short == [
        "1 overlapping 0", "2 overlapping 0", "2 dangerously 1", "3 overlapping 0", "3 dangerously 1",
        "4 overlapping 0", "5 overlapping 0", "5 dangerously 1", "5 duplicate 2", "6 duplicate 0",
        *(f"6 overlapping {i}" for i in range(1, 6)),
    ]  # fmt: skip


def test_a_rule_of_a_million_million_parts_is_not_taken_apart() -> None:
    names = tuple(f"n{i}" for i in range(10_000))
    wanted = PolicyRule(verbs=names, api_groups=names, resources=names)
    assert missing([PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",))], [wanted]) == []
    assert missing([PolicyRule(verbs=("*",), api_groups=("",), resources=("*",))], [wanted]) == [wanted]
    assert missing([PolicyRule(verbs=names, api_groups=names, resources=names)], [wanted]) == []
    some = PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",), resource_names=("a",))
    assert missing([some], [wanted]) == [wanted]


def many_rules(count: int) -> Work:
    rules = [PolicyRule(verbs=("get",), api_groups=("",), resources=(f"r{i}",)) for i in range(count)]
    return lambda: missing(rules, rules)


def many_verbs(count: int) -> Work:
    held = PolicyRule(verbs=tuple(f"v{i}" for i in range(count)), api_groups=("",), resources=("r",))
    rules = [PolicyRule(verbs=("get",), api_groups=("",), resources=(f"r{i}",)) for i in range(count)]
    return lambda: missing([held], rules)


def many_stars(count: int) -> Work:
    rules = [PolicyRule(verbs=("*",), api_groups=("",), resources=(f"r{i}",)) for i in range(count)]
    return lambda: missing(rules, rules)


@pytest.mark.parametrize("made", [many_rules, many_verbs, many_stars])
def test_rules_are_compared_in_time_that_grows_with_them(made: Callable[[int], Work]) -> None:
    assert seconds(made(32_000)) < 80 * max(seconds(made(2000)), 0.0005)


def test_who_holds_everything_may_grant_very_many_rules() -> None:
    rules = [PolicyRule(verbs=("get",), api_groups=("",), resources=(f"r{i}",)) for i in range(5000)]
    everything = PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",))
    assert missing([*rules, everything], rules) == []


def test_errors_that_each_show_a_whole_list_are_not_all_told() -> None:
    shown = ["x" * 100] * 1000
    error = as_status("", "Pod", "p", [invalid(f"spec[{i}]", shown, "bad") for i in range(10_000)])
    assert LONGEST_TOLD / 2 < len(error.status.message) < 2 * LONGEST_TOLD


def test_no_more_errors_are_made_than_could_be_told() -> None:
    asked: list[int] = []

    def check() -> Iterator[FieldError]:
        for number in range(10 * MOST_MADE):
            asked.append(number)
            yield invalid("spec", number, "bad")

    assert len(bounded(check)) == len(asked) == MOST_MADE
    assert len(bounded(lambda: [invalid("spec", 1, "bad")])) == 1
    with pytest.raises(StatusError) as refusal:
        writing.before_create(PODS, Pod(spec=spec_with([{"image": ""}] * MOST_MADE)), WRITE)
    assert refusal.value.code == 422


def test_what_is_longer_is_found_out_without_writing_it() -> None:
    spec = spec_with([{"name": "x" * 100}] * 1000, hostname="y" * 50)
    assert longer_than(spec, len(encode(spec)) // 2)
    assert not longer_than(spec, len(encode(spec)))
    few, many = (spec_with([{"name": "x" * 100}] * count) for count in (1000, 100_000))
    with Calls() as calls:
        assert longer_than(few, 10_000)
    with Calls() as most:
        assert longer_than(many, 10_000)
    assert most.total == calls.total


def test_warnings_are_cut_when_they_are_many() -> None:
    some = Warnings()
    for text in ("a", "", "a", "b" * 3000):
        some.append(text)
    assert some == ["a", "b" * 3000]
    some += [f"{i}" + "c" * 1000 for i in range(100_000)]
    assert some[:2] == ["a", "b" * LONGEST_WHEN_MANY]
    assert MOST_WARNED <= sum(map(len, some)) < MOST_WARNED + LONGEST_WHEN_MANY
