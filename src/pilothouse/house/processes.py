"""The bodies of a cluster's own processes, and what they share: logs, the loop, the signal that ends them."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from pilothouse.api.errors import StatusError
from pilothouse.house import spec as specs
from pilothouse.house.daemon import TWIN_EXIT, ReadinessPipe, TwinRuns, given_folder
from pilothouse.house.members import CONTROL_PLANE, SUPERVISOR
from pilothouse.house.paths import Paths
from pilothouse.house.spec import ClusterSpec
from pilothouse.house.steps import FREE_SPACE, lacks_space
from pilothouse.kit import logs
from pilothouse.kit.clock import SystemClock
from pilothouse.kit.tasks import TaskScope
from pilothouse.seams.house import HouseError
from pilothouse.seams.runtime import RuntimeFailure
from pilothouse.seams.store import StoreError

log = logging.getLogger(__name__)
Failures = (HouseError, StoreError, StatusError, RuntimeFailure, OSError)
Body = Callable[[TaskScope], Awaitable[None]]


def run(arguments: Sequence[str]) -> int:
    """Run the process that `arguments` names until it is told to end; its exit code."""
    if len(arguments) < 2:
        raise HouseError(f"there is no process {' '.join(arguments)!r}")
    kind, name, *rest = arguments
    component = rest[0] if rest else kind
    paths = Paths.of(name)
    if (folder := given_folder()) is not None:
        paths = paths.through(folder)
    try:
        spec = specs.load(paths)
        if spec is None:
            raise HouseError(f"there is no cluster {name}")
        logs.set_up(spec.log_level, spec.log_format)
        readiness = ReadinessPipe(paths.lock(component))
        # Whoever takes the cluster away may not know of this process yet.
        if paths.removing.exists() or not paths.spec.exists():
            raise HouseError(f"cluster {name} is gone")
    except (HouseError, FileNotFoundError) as error:
        print(f"{component} ends: {error}", file=sys.stderr, flush=True)
        return TWIN_EXIT if isinstance(error, TwinRuns) else 1
    if kind == SUPERVISOR:
        from pilothouse.house.supervisor import Supervisor

        Supervisor(paths, SystemClock()).run(readiness.ready)
        return 0
    failed = False
    try:
        _loop_runner()(_until_told(component, _body(kind, paths, spec, component), readiness))
    except* Failures as group:
        first = _first(group)
        log.error("%s ends: %s", component, first)
        advice = getattr(first, "advice", "") or (FREE_SPACE if lacks_space(paths.spec.parent) else "")
        readiness.failed(str(first), advice)
        failed = True
    return 1 if failed else 0


def _first(error: BaseException) -> BaseException:
    """The first of the failures that came together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _body(kind: str, paths: Paths, spec: ClusterSpec, component: str) -> Body:
    if kind == CONTROL_PLANE:
        _allow_descriptors()
        from pilothouse.house.control_plane import start

        return lambda scope: start(paths, spec, scope)
    from pilothouse.house.node import start_node

    member = next((node for node in spec.nodes if node.name == component), None)
    if member is None:
        raise HouseError(f"cluster {spec.name} has no node {component}")
    return lambda scope: start_node(paths, spec, member, scope)


def _allow_descriptors() -> None:
    """As many open files as the machine lets us have: every watch is a connection, and the usual 1,024 are few. Not for
    nodes: containers would inherit it."""
    try:
        import resource
    except ImportError:  # not everywhere, and where it is not, there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where there is one; everything works without."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


async def _until_told(component: str, body: Body, readiness: ReadinessPipe) -> None:
    """Start `body`, say that it is ready, and end it on SIGTERM or SIGINT or when a part of it fails."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, told.set)
        except NotImplementedError:  # on Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(told.set))
    async with TaskScope(component) as scope:
        failing = scope.spawn(scope.wait_failed(), "failures")
        starting = scope.spawn(_started(body, scope, readiness), "start")
        ending = scope.spawn(told.wait(), "signal")
        await asyncio.wait({starting, ending, failing}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and not told.is_set() and not failing.done():
            await asyncio.wait({ending, failing}, return_when=asyncio.FIRST_COMPLETED)
        log.info("%s ends: %s", component, "told to" if told.is_set() else "a part of it failed")


async def _started(body: Body, scope: TaskScope, readiness: ReadinessPipe) -> None:
    await body(scope)
    readiness.ready()
