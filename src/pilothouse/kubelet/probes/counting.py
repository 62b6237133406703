"""When a row of probe results means a change. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pilothouse.api.types.core.v1 import Probe as ProbeSpec


@dataclass(slots=True)
class Counter:
    """`standing` is what was last told; None before anything was."""

    standing: bool | None
    row: bool | None = None
    length: int = 0

    def take(self, success: bool, spec: ProbeSpec) -> bool | None:
        """The new standing if this result changes it (or, for a failure that goes on, confirms it), else None."""
        self.length = self.length + 1 if success is self.row else 1
        self.row = success
        if self.length < (max(spec.success_threshold, 1) if success else max(spec.failure_threshold, 1)):
            return None
        if success is self.standing and success:
            return None
        self.standing = success
        return success
