"""One attempt to place one pod."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pilothouse.scheduler.snapshot.pods import PodInfo
    from pilothouse.scheduler.snapshot.snapshot import Snapshot

T = TypeVar("T")


class Cycle:
    """What plugins share during an attempt: the pod, the snapshot, and what they worked out already."""

    __slots__ = ("_memo", "pod", "snapshot")

    def __init__(self, pod: PodInfo, snapshot: Snapshot) -> None:
        self.pod = pod
        self.snapshot = snapshot
        self._memo: dict[str, tuple[int, Any]] = {}

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The value of `compute` for the snapshot as it is now; worked out again only after a change of it."""
        held = self._memo.get(name)
        if held is None or held[0] != self.snapshot.version:
            held = self._memo[name] = (self.snapshot.version, compute())
        return cast(T, held[1])

    def has_per_profile(self, name: str) -> bool:
        """Whether `per_profile` knows the value."""
        held = self.pod.profile.memo.get(name)
        return held is not None and held[0] == self.snapshot.static_version

    def per_profile(self, name: str, compute: Callable[[], T]) -> T:
        """The same for what depends only on the pod's template and on nodes as such: equal pods share it."""
        memo, version = self.pod.profile.memo, self.snapshot.static_version
        held = memo.get(name)
        if held is None or held[0] != version:
            held = memo[name] = (version, compute())
        return cast(T, held[1])
