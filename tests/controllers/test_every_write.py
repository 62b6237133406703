"""Every write that a controller can make is made at least once, with the controller's own rights, on the real server.

The scenarios of this folder are played again, all in one; each place in the source that writes must have written. That
nobody was refused by authorization, each world checks itself.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import itertools
import pathlib
import pkgutil
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

import tests.controllers
from pilothouse import controllers
from pilothouse.testing import clock as virtual
from pilothouse.testing.clock import VirtualClock
from tests.controllers.tapped import Tap
from tests.controllers.world import Api

ROOT = pathlib.Path(controllers.__path__[0])
WRITES = {"create", "update", "patch", "delete", "delete_collection", "create_subresource"}
CLIENTS = {"client", "_client", "metadata"}
# Played elsewhere for other reasons, and long.
LEFT_OUT = {"test_every_write", "test_stale_caches", "test_quota_races", "test_custom_resources"}
# File and function of writes that the real server never lets come to be, and why.
IMPOSSIBLE = {
    ("deployment/shell.py", "_refuse_everything"): "a Deployment with an empty selector is not accepted",
    ("namespace.py", "reconcile"): "the server itself marks a namespace as terminating when it is deleted",
    ("namespace.py", "_delete"): "every resource that is served can be deleted as a collection",
}
Scenario = Callable[[VirtualClock], Awaitable[None]]
Place = tuple[str, int, str, str]


def places() -> Iterator[Place]:
    """Where controllers write: file, line, function and verb."""
    for path in sorted(ROOT.rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                of = node.func.value
                owner = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
                if node.func.attr in WRITES and owner in CLIENTS:
                    yield str(path.relative_to(ROOT)), node.lineno, function.name, node.func.attr


def scenarios() -> Iterator[Scenario]:
    """The tests of this folder that need nothing but a clock, with each of their parameters."""
    for module in pkgutil.iter_modules(tests.controllers.__path__):
        if module.name.startswith("test_") and module.name not in LEFT_OUT:
            for name, found in vars(importlib.import_module(f"tests.controllers.{module.name}")).items():
                if name.startswith("test_") and inspect.iscoroutinefunction(found):
                    yield from _with_parameters(found)


def _with_parameters(test: Scenario) -> Iterator[Scenario]:
    marks = getattr(test, "pytestmark", ())
    if any(m.name == "api" and Api.SERVER not in m.args for m in marks):
        return
    sets: list[list[dict[str, object]]] = []
    for mark in marks:
        if mark.name == "parametrize":
            names = mark.args[0] if not isinstance(mark.args[0], str) else mark.args[0].replace(" ", "").split(",")
            rows = [getattr(row, "values", row) if not isinstance(row, dict) else row for row in mark.args[1]]
            sets.append([dict(zip(names, row if len(names) > 1 else (row,), strict=True)) for row in rows])
    known = {name for options in sets for name in options[0]}
    if set(inspect.signature(test).parameters) == {"clock", *known}:
        for chosen in itertools.product(*sets):
            yield partial(test, **{name: value for options in chosen for name, value in options.items()})


def play(scenario: Scenario) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, virtual.VirtualLoop)
        await scenario(loop.clock)

    virtual.run(main())


def wrote(place: Place) -> bool:
    """Whether the place has written; those who write many at once do it in tasks, which tell nothing but the verb."""
    file, line, _, verb = place
    return (str(ROOT / file), line) in Tap.places or (file == "pod_control.py" and ("task", verb) in Tap.places)


def test_every_write_is_made_and_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Api, "chosen", Api.SERVER)
    monkeypatch.setattr(Tap, "places", set())
    missed = [place for place in places() if place[::2] not in IMPOSSIBLE]
    for scenario in scenarios():
        play(scenario)
        missed = [place for place in missed if not wrote(place)]
        if not missed:
            break
    assert not missed, f"no scenario makes these writes: {missed}"
