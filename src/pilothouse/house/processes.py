"""The bodies of a cluster's own processes, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pilothouse.seams.house import HouseError

BODIES: dict[str, Callable[[Sequence[str]], int]] = {}


def run(arguments: Sequence[str]) -> int:
    """Run the process that `arguments` names until it is told to end; its exit code."""
    body = BODIES.get(arguments[0] if arguments else "")
    if body is None:
        raise HouseError(f"there is no process {' '.join(arguments)!r}")
    return body(arguments[1:])
