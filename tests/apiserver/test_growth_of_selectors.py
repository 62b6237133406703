"""Reading a selector costs as much as it is long, and asking it costs the same however long it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pilothouse.api.selectors import parse_fields, parse_labels
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.api.types.authorization.v1 import FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes
from pilothouse.api.types.core.v1 import ConfigMap
from pilothouse.api.types.meta.v1 import LabelSelectorRequirement
from pilothouse.apiserver.authz.access import of_review
from pilothouse.apiserver.cacher.plan import plan
from pilothouse.apiserver.generic.storage import ObjectCodec, SelectionPredicate
from tests.apiserver.test_growth import Calls, Text

FEW, MOST = 500, 5.0


def values(count: int) -> str:
    return f"a in ({','.join(f'v{i}' for i in range(count))})"


def requirements(count: int) -> str:
    return ",".join(f"k{i}" for i in range(count))


def unequal(count: int) -> str:
    return ",".join(f"a!=v{i}" for i in range(count))


def fields(count: int) -> str:
    return ",".join(f"metadata.name!=v{i}" for i in range(count))


def planned(interest: SelectionPredicate) -> object:
    return plan(interest, ObjectCodec(ConfigMap), "/registry/configmaps/", (), True)


def reviewed(**selectors: object) -> object:
    return of_review(UserInfo(), ResourceAttributes(verb="list", **selectors), None)  # type: ignore[arg-type]


def asked(count: int) -> tuple[LabelSelectorRequirement, ...]:
    return tuple(LabelSelectorRequirement(key=f"k{i}", operator="In", values=("v",)) for i in range(count))


WORK: dict[str, Callable[[int], object]] = {
    "values": lambda n: planned(SelectionPredicate(labels=parse_labels(values(n)))),
    "requirements": lambda n: planned(SelectionPredicate(labels=parse_labels(requirements(n)))),
    "one key": lambda n: planned(SelectionPredicate(labels=parse_labels(unequal(n)))),
    "fields": lambda n: planned(SelectionPredicate(fields=parse_fields(fields(n)))),
    "raw fields of a review": lambda n: reviewed(field_selector=FieldSelectorAttributes(raw_selector=fields(n))),
    "raw labels of a review": lambda n: reviewed(label_selector=LabelSelectorAttributes(raw_selector=unequal(n))),
    "requirements of a review": lambda n: reviewed(label_selector=LabelSelectorAttributes(requirements=asked(n))),
}


def calls(work: Callable[[], object]) -> int:
    with Calls() as found:
        work()
    return found.total


@pytest.mark.parametrize("name", WORK)
def test_reading_costs_as_much_as_there_is(name: str) -> None:
    work = WORK[name]
    assert calls(lambda: work(16 * FEW)) < MOST * calls(lambda: work(4 * FEW)) < MOST**2 * calls(lambda: work(FEW))


@pytest.mark.parametrize("made", [values, requirements, unequal])
def test_asking_costs_the_same(made: Callable[[int], str]) -> None:
    labels = {Text("a"): Text("v7"), Text("k3"): Text("")}
    few, many = (parse_labels(made(count)).compiled() for count in (20, 20_000))
    assert calls(lambda: many(labels)) <= calls(lambda: few(labels)) + 5
