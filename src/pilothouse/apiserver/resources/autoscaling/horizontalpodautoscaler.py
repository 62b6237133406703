"""HorizontalPodAutoscaler: stored as autoscaling/v2, served as v1 too."""

from __future__ import annotations

from pilothouse.api.types.autoscaling.v2 import HorizontalPodAutoscaler
from pilothouse.apiserver.generic.strategy import Status, Strategy, VersionForm
from pilothouse.apiserver.resources.autoscaling import conversion

STRATEGY = Strategy(
    type=HorizontalPodAutoscaler,
    prefix="horizontalpodautoscalers",
    versions={"autoscaling/v1": VersionForm(conversion.V1, conversion.to_v2, conversion.to_v1)},
    status=Status(),
)
