"""The right to change a cluster: one command at a time has it, and the supervisor while it starts a process again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import IO

from pilothouse.house.paths import Paths
from pilothouse.kit import filelock


@contextlib.contextmanager
def claimed(paths: Paths) -> Iterator[None]:
    """Hold the claim; whoever comes second waits. Raises OSError if its file cannot be made."""
    with _file(paths, wait=True):
        yield


@contextlib.contextmanager
def try_claim(paths: Paths) -> Iterator[bool]:
    """Hold the claim if nobody else does; whether it is held."""
    with _file(paths, wait=False) as file:
        yield file is not None


@contextlib.contextmanager
def _file(paths: Paths, *, wait: bool) -> Iterator[IO[str] | None]:
    while True:
        paths.claim.parent.mkdir(parents=True, exist_ok=True)
        with open(paths.claim, "w") as file:
            if not filelock.take(file, wait=wait):
                yield None
                return
            if _is(file, paths):
                yield file
                return
        # Who held it took the cluster away, and the file with it: another one lies there by now, or none.


def _is(file: IO[str], paths: Paths) -> bool:
    try:
        there = paths.claim.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(file.fileno()))
