"""What a server bears of its peers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a peer's size and slowness is borne. `head_bytes` may be passed by at most one read (256 KiB)."""

    head_bytes: int = 1024 * 1024
    heads_bytes: int = 32 * 1024 * 1024
    """Bytes of all large heads that are on their way (`head_budget`)."""
    head_seconds: float = 32.0
    idle_seconds: float = 90.0
    body_stall_seconds: float = 60.0
    """No byte of a body for so long while its reader waits."""
    body_seconds: float = 60.0
    """A body that its reader wants as a whole is there by then, however steadily its bytes trickle in."""
    linger_seconds: float = 0.5
    """How long a refused peer may still send (into nowhere) before the connection closes."""
    connections: int = 20_000
