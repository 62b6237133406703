"""The seam to server-side apply: who keeps metadata.managedFields in the registry's writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pilothouse.apiserver.request.call import Call


class Tracker(Protocol):
    """Who owns which field: keeps metadata.managedFields. Objects are in the version of the call."""

    def created(self, obj: Any, call: Call) -> Any:
        """`obj` with the fields it sets owned by the call's manager."""
        ...

    def updated(self, new: Any, old: Any, call: Call) -> Any:
        """`new` with what it changes of `old` owned by the call's manager."""
        ...


class NoTracker:
    """Leaves managedFields as they are."""

    def created(self, obj: Any, call: Call) -> Any:
        return obj

    def updated(self, new: Any, old: Any, call: Call) -> Any:
        return new


Change = Callable[[Any], Any]
"""From the live object (None if there is none), in the version of the call, to the wanted one."""
