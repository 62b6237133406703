"""What a plugin is, and how plugins are run. A plugin is one file in `scheduler/plugins` and a line in the registry."""

from pilothouse.scheduler.framework.cycle import Cycle
from pilothouse.scheduler.framework.events import Change, ClusterEvent, Hint
from pilothouse.scheduler.framework.outcome import Diagnosis, Outcome, Refused, Rejection
from pilothouse.scheduler.framework.plugin import (
    MAX_SCORE,
    BindPlugin,
    FilterPlugin,
    PermitPlugin,
    Plugin,
    PostFilterPlugin,
    PreBindPlugin,
    PreFilterPlugin,
    PreScorePlugin,
    ReservePlugin,
    ScorePlugin,
    normalized,
    reject_each,
    static_rejections,
)
from pilothouse.scheduler.framework.runner import Framework

__all__ = [
    "MAX_SCORE",
    "BindPlugin",
    "Change",
    "ClusterEvent",
    "Cycle",
    "Diagnosis",
    "FilterPlugin",
    "Framework",
    "Hint",
    "Outcome",
    "PermitPlugin",
    "Plugin",
    "PostFilterPlugin",
    "PreBindPlugin",
    "PreFilterPlugin",
    "PreScorePlugin",
    "Refused",
    "Rejection",
    "ReservePlugin",
    "ScorePlugin",
    "normalized",
    "reject_each",
    "static_rejections",
]
