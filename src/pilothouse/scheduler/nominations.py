"""Pods that were promised room on a node, which others are leaving."""

from __future__ import annotations

from collections.abc import Iterator

from pilothouse.scheduler.snapshot import PodInfo


class Nominations:
    """At most one node for a pod."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[PodInfo, str]] = {}

    def __iter__(self) -> Iterator[tuple[PodInfo, str]]:
        return iter(tuple(self._held.values()))

    def __len__(self) -> int:
        return len(self._held)

    def put(self, info: PodInfo, node: str) -> None:
        """`node` "" takes the promise back."""
        if node:
            self._held[info.uid] = (info, node)
        else:
            self._held.pop(info.uid, None)

    def drop(self, uid: str) -> None:
        self._held.pop(uid, None)

    def node_of(self, uid: str) -> str:
        return self._held[uid][1] if uid in self._held else ""

    def on(self, node: str) -> list[PodInfo]:
        return [info for info, where in self._held.values() if where == node]
