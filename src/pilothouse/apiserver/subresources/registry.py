"""The actions that are served: one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.api.types.core.v1 import Binding, Pod
from pilothouse.api.types.policy.v1 import Eviction, PodDisruptionBudget
from pilothouse.apiserver.generic.actions import Action
from pilothouse.apiserver.generic.registry import Registry
from pilothouse.apiserver.subresources.binding import Binder
from pilothouse.apiserver.subresources.eviction import Evictor


def actions(registries: Mapping[type[Any], Registry]) -> Sequence[Action]:
    """All actions over `registries`, which are found by the type they store."""
    pods = registries[Pod]
    binder = Binder(pods.kind_store)
    evictor = Evictor(pods, registries[PodDisruptionBudget])
    return (
        Action(version="v1", resource="bindings", body=Binding, run=binder.bind),
        Action(version="v1", resource="pods", subresource="binding", body=Binding, run=binder.bind),
        Action(version="v1", resource="pods", subresource="eviction", body=Eviction, run=evictor.evict),
    )
