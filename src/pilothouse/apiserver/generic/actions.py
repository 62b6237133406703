"""Subresources and resources that are something to do: a POST with a body, which is not itself stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from pilothouse.apiserver.request.call import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a POST to a subresource (binding, eviction, token) or to a resource that asks a question (reviews) does.

    `run` gets the decoded body and gives the answer, a typed object or a Status; it raises StatusError."""

    group: str = ""
    version: str
    resource: str
    subresource: str = ""
    body: type[Any]
    run: Callable[[Any, Call], Awaitable[Struct]]
    status: int = 201
