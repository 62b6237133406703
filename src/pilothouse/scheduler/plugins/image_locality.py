"""ImageLocality: nodes that have the pod's images already are liked better, the more the larger those are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pilothouse.scheduler.framework import MAX_SCORE, Change, Cycle, Hint
from pilothouse.scheduler.snapshot import FloatColumn, View

# Bytes: below the first an image is pulled in no time; above the second (for each container) all are equally large.
SMALL = 23 * 1024 * 1024
LARGE = 1000 * 1024 * 1024


class ImageLocality:
    """An image counts by the share of nodes that have it, so that not everything gathers where it first was."""

    name = "ImageLocality"
    events: Mapping[Change, Hint | None] = {}

    def pre_score(self, cycle: Cycle, view: View) -> bool:
        known = cycle.snapshot.images
        return any(image in known for image in cycle.pod.profile.images)

    def score(self, cycle: Cycle, view: View) -> FloatColumn:
        images, known = cycle.pod.profile.images, cycle.snapshot.images
        total = max(len(cycle.snapshot), 1)
        worth = {i: int(known[i][0] * (known[i][1] / total)) for i in images if i in known}
        sums = [sum(worth.get(i, 0) for i in images if i in record.images) for record in view.records()]
        top = LARGE * max(len(images), 1)
        clipped = np.clip(np.array(sums, dtype=np.float64), SMALL, top)
        return np.floor(MAX_SCORE * (clipped - SMALL) / (top - SMALL))
