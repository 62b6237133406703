"""What a write costs grows with its lists, and no faster: for every list and map that an object may have, of the types
of all kinds, four times as many items cost at most five times as much.

Counted are calls: of functions, of generators that go on, and of comparisons of texts, which are of a class of our own
for this. Nothing is timed.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pilothouse.api.codec import strict
from pilothouse.api.codec.json import encode, from_builtins
from pilothouse.api.errors import StatusError
from pilothouse.api.shapes import Shape, shape_of
from pilothouse.api.types.authentication.v1 import UserInfo
from pilothouse.apiserver.apply.tracker import FieldTracker
from pilothouse.apiserver.generic import writing
from pilothouse.apiserver.patch import STRATEGIC_MERGE_PATCH, apply_patch
from pilothouse.apiserver.request.call import Call
from pilothouse.kinds.registry import strategies
from pilothouse.kinds.strategy import Strategy, Write
from pilothouse.testing.clock import VirtualClock
from tests.api.test_protobuf import sample

FEW, MOST = 12, 5.0
# What an object costs without any list, which few items do not outweigh.
CONSTANT = 400
STRATEGIES = strategies()
TRACKER = FieldTracker(STRATEGIES, VirtualClock())
USER = UserInfo(username="u")
WRITE = Write(USER, 1e9)
Tree = dict[str, Any]
Path = tuple[tuple[str, str], ...]
"""(field, kind of its shape) from the object to a list or map."""


class Text(str):
    """Comparisons of such texts are calls, which are counted."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Calls:
    """`with Calls() as calls`, then `calls.total`."""

    total = 0

    def _note(self, frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self.total += 1

    def __enter__(self) -> Calls:
        sys.setprofile(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)


def lists() -> dict[str, list[tuple[Strategy[Any], Path, Shape]]]:
    """Every list and map there is, by the kind that has it first; those of shared types once."""
    seen: set[tuple[Any, str]] = set()

    def below(strategy: Strategy[Any], shape: Shape, path: Path) -> Iterator[tuple[Strategy[Any], Path, Shape]]:
        for name, field in shape.fields.items():
            inner, key = field.shape, (shape.struct, name)
            if key in seen:
                continue
            seen.add(key)
            if inner.kind in ("list", "map"):
                yield strategy, (*path, (name, inner.kind)), inner
            element = inner.element if inner.kind in ("list", "map") else inner
            if element is not None and element.kind == "struct":
                yield from below(strategy, element, (*path, (name, inner.kind)))

    return {s.prefix: found for s in STRATEGIES if (found := list(below(s, shape_of(s.type), ())))}


LISTS = lists()


def distinct(value: Any, number: int) -> Any:
    """The value of a sample, and of no other number."""
    if isinstance(value, str):
        return value if value in ("AP8=", "1m0s", "1500m") or value.startswith("2026") else f"e{number}"
    if isinstance(value, list):
        return [distinct(item, number) for item in value]
    if isinstance(value, dict):
        return {f"k{number}" if key in ("k", "") else key: distinct(item, number) for key, item in value.items()}
    return 1000 + number if isinstance(value, int) and not isinstance(value, bool) else value


def built(strategy: Strategy[Any], path: Path, shape: Shape, count: int, same: bool) -> Tree:
    """An object with one long list, of equal items or of different ones, and little else."""
    dice = random.Random(1)
    assert shape.element is not None
    value = sample(shape.element, 1, dice)
    values = [copy.deepcopy(value) if same else distinct(value, number) for number in range(count)]
    namespace = "default" if strategy.resource.namespaced else ""
    root: Tree = {"metadata": {"name": "x", "namespace": namespace, "resourceVersion": "1", "uid": "u"}}
    node, around = root, shape_of(strategy.type)
    for name, kind in path[:-1]:
        inner = around.fields[name].shape
        element = inner.element if kind in ("list", "map") else inner
        assert element is not None
        made = node.get(name) or sample(element, 0, dice)
        node[name] = [made] if kind == "list" else {"a": made} if kind == "map" else made
        node, around = made, element
    name, kind = path[-1]
    node[name] = values if kind == "list" else {f"k{number}": item for number, item in enumerate(values)}
    return root


def texts(tree: Any) -> Any:
    """The tree with texts whose comparisons are counted."""
    if isinstance(tree, str):
        return Text(tree)
    if isinstance(tree, list):
        return [texts(item) for item in tree]
    return {key: texts(item) for key, item in tree.items()} if isinstance(tree, dict) else tree


def steps(strategy: Strategy[Any], tree: Tree) -> dict[str, Callable[[], Any]]:
    """The parts of a write, by name."""
    kind, (name, version) = strategy.type, strict.identity(strategy.type)
    named = {**tree, "kind": name, "apiVersion": version}
    data = json.dumps(named).encode()
    plain, obj = from_builtins(tree, kind), from_builtins(texts(tree), kind)
    call = Call(user=USER, api_version=version, manager="m", namespace=plain.metadata.namespace)
    found: dict[str, Callable[[], Any]] = {
        "decode": lambda: strict.decode_request(data, kind),
        "owners": lambda: writing.distinct_owners(obj),
        "defaults": lambda: strategy.defaults(obj),
        "track": lambda: TRACKER.created(plain, call),
        "track update": lambda: TRACKER.updated(plain, kind(metadata=plain.metadata), call),
        "create": lambda: writing.before_create(strategy, obj, WRITE),
        "update": lambda: writing.before_update(strategy, obj, obj, WRITE, None),
        "apply": lambda: TRACKER.applied(None, copy.deepcopy(named), kind, call, True),
        "apply again": lambda: TRACKER.applied(plain, copy.deepcopy(named), kind, call, True),
        "patch": lambda: apply_patch(STRATEGIC_MERGE_PATCH, data, encode(plain), kind),
    }
    status = strategy.status
    if status is not None:
        found["status"] = lambda: writing.before_update(strategy, obj, obj, WRITE, status)
    return found


def cost(strategy: Strategy[Any], tree: Tree) -> dict[str, int]:
    found = {}
    for name, step in steps(strategy, tree).items():
        with Calls() as calls:
            _attempted(step)
        found[name] = calls.total
    return found


def _attempted(step: Callable[[], Any]) -> None:
    try:
        step()
    except StatusError:
        pass
    except TypeError as error:  # a message would show an object with our texts in it: the work is done by then
        if Text.__name__ not in str(error):
            raise


@pytest.mark.parametrize("prefix", LISTS)
def test_no_list_costs_more_than_it_is_long(prefix: str) -> None:
    bad = []
    for strategy, path, shape in LISTS[prefix]:
        for same in (False, True):
            few, many = (cost(strategy, built(strategy, path, shape, count, same)) for count in (FEW, 4 * FEW))
            suspect = [step for step in many if many[step] > MOST * few[step] + CONSTANT]
            if suspect:  # or a limit lies between the two, behind which more is told
                most = cost(strategy, built(strategy, path, shape, 16 * FEW, same))
                where = f"{'.'.join(name for name, _ in path)} of {'equal' if same else 'different'} items"
                bad += [
                    f"{where}: {step} {few[step]}, {many[step]}, {most[step]} calls"
                    for step in suspect
                    if most[step] > MOST * many[step]
                ]
    assert not bad, "\n".join(bad)
