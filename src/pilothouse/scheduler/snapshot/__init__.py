"""The cluster as the scheduler sees it: numpy columns over nodes that are updated, never rebuilt. Pure."""

from pilothouse.scheduler.snapshot.columns import BoolColumn, Columns, FloatColumn, IntColumn
from pilothouse.scheduler.snapshot.pods import PodInfo, Profile, Profiles
from pilothouse.scheduler.snapshot.record import NodeRecord
from pilothouse.scheduler.snapshot.snapshot import Snapshot
from pilothouse.scheduler.snapshot.view import Rows, View

__all__ = [
    "BoolColumn",
    "Columns",
    "FloatColumn",
    "IntColumn",
    "NodeRecord",
    "PodInfo",
    "Profile",
    "Profiles",
    "Rows",
    "Snapshot",
    "View",
]
