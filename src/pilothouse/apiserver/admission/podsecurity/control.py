"""What a control is, and the words that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pilothouse.api.types.core.v1 import Container, EphemeralContainer, PodSpec, PodTemplateSpec, SecurityContext

AnyContainer = Container | EphemeralContainer
LATEST = 10_000
"""The minor version that `latest` stands for: newer than all."""


class Violation(NamedTuple):
    """What a control found: a short reason, and who breaks it how."""

    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[PodTemplateSpec, int], Violation | None]
"""Looks at a pod (or template) by the standards of a minor version."""


class Control(NamedTuple):
    """One control of a level. It holds since minor version `since`, and from then on stands in for `instead_of`."""

    name: str
    check: Check
    since: int = 0
    instead_of: tuple[str, ...] = ()


def containers(spec: PodSpec) -> Iterator[AnyContainer]:
    """Every container of a pod, in the order that texts name them."""
    yield from spec.init_containers
    yield from spec.containers or ()
    yield from spec.ephemeral_containers


def contexts(spec: PodSpec) -> Iterator[tuple[str, SecurityContext]]:
    """The security contexts that containers have, with the containers' names."""
    for container in containers(spec):
        if container.security_context is not None:
            yield container.name, container.security_context


def quoted(names: Iterable[str]) -> str:
    """Names in double quotes, with commas."""
    return ", ".join(f'"{n}"' for n in names)


def plural(word: str, count: int, many: str = "") -> str:
    return word if count == 1 else many or f"{word}s"


def named(what: str, names: list[str]) -> str:
    """`container "c"`, or `containers "a", "b"`."""
    return f"{plural(what, len(names))} {quoted(names)}"


def setters(pod: bool, names: list[str]) -> str:
    """Who sets something: `pod`, `container "c"`, or both."""
    found = (["pod"] if pod else []) + ([named("container", names)] if names else [])
    return " and ".join(found)


def is_windows(spec: PodSpec) -> bool:
    return spec.os is not None and spec.os.name == "windows"


def has_own_users(spec: PodSpec, minor: int) -> bool:
    """Whether the pod's users are not the host's, which lifts controls about users: by the standards of 1.35 and later
    (KEP 127)."""
    return minor >= 35 and spec.host_users is False
