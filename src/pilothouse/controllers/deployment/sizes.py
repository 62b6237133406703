"""How large each ReplicaSet of a Deployment should be. Pure: sizes in, sizes out.

Never more pods in all than replicas + maxSurge, never fewer available ones than replicas - maxUnavailable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from pilothouse.api.types.apps.v1 import Deployment, ReplicaSet
from pilothouse.controllers.deployment.revisions import DESIRED, MAXIMUM, annotation_number, born, wanted
from pilothouse.semantics.amounts import fenceposts

Sizes = dict[str, int]
"""Replicas by ReplicaSet name, for those that should change or have their annotations renewed."""


def replicas_of(deployment: Deployment) -> int:
    return 1 if deployment.spec.replicas is None else deployment.spec.replicas


def rolling(deployment: Deployment) -> bool:
    return deployment.spec.strategy.type != "Recreate"


def bounds(deployment: Deployment) -> tuple[int, int]:
    """(surge, unavailable) that the strategy allows."""
    if not rolling(deployment):
        return 0, 0
    told = deployment.spec.strategy.rolling_update
    desired = replicas_of(deployment)
    surge, unavailable = fenceposts(told.max_surge if told else "25%", told.max_unavailable if told else "25%", desired)
    return surge, min(unavailable, desired)


def total(sets: Iterable[ReplicaSet]) -> int:
    return sum(map(wanted, sets))


def available(sets: Iterable[ReplicaSet]) -> int:
    return sum(rs.status.available_replicas for rs in sets)


def active(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return [rs for rs in sets if wanted(rs) > 0]


def new_size(deployment: Deployment, new_replicas: int, whole: int) -> int:
    """The size of the current ReplicaSet, now `new_replicas`, when all sets have `whole` together."""
    desired = replicas_of(deployment)
    if not rolling(deployment):
        return desired
    room = desired + bounds(deployment)[0] - whole
    if room <= 0:
        return new_replicas
    return new_replicas + min(room, desired - new_replicas)


def roll_new(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """The first half of a rolling step: grow (or shrink) the current ReplicaSet."""
    held, desired = wanted(new), replicas_of(deployment)
    if held == desired:
        return {}
    if held > desired:
        return {new.metadata.name: desired}
    size = new_size(deployment, held, held + total(old))
    return {} if size == held else {new.metadata.name: size}


def roll_old(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """The second half: shrink the old ones, unhealthy pods first, as far as availability allows."""
    if not total(old):
        return {}
    least = replicas_of(deployment) - bounds(deployment)[1]
    unavailable_new = wanted(new) - new.status.available_replicas
    budget = wanted(new) + total(old) - least - unavailable_new
    if budget <= 0:
        return {}
    sizes = {rs.metadata.name: wanted(rs) for rs in old}
    before = dict(sizes)
    for rs in sorted(old, key=born):
        unhealthy = sizes[rs.metadata.name] - rs.status.available_replicas
        if sizes[rs.metadata.name] and unhealthy > 0 and budget > 0:
            taken = min(budget, unhealthy)
            sizes[rs.metadata.name] -= taken
            budget -= taken
    spare = available([*old, new]) - least
    for rs in sorted(old, key=born):
        if spare <= 0:
            break
        taken = min(sizes[rs.metadata.name], spare)
        sizes[rs.metadata.name] -= taken
        spare -= taken
    return {name: size for name, size in sizes.items() if size != before[name]}


def scale(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """New sizes after the Deployment itself was scaled: all to the one active set, else in proportion."""
    desired = replicas_of(deployment)
    alive = active([*old, *([new] if new else [])])
    if len(alive) <= 1:
        only = alive[0] if alive else new or max(old, key=born, default=None)
        return {only.metadata.name: desired} if only is not None and wanted(only) != desired else {}
    if new is not None and saturated(deployment, new):
        return {rs.metadata.name: 0 for rs in active(old)}
    return _proportional(deployment, alive) if rolling(deployment) else {}


def saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    desired = replicas_of(deployment)
    known = annotation_number(new, DESIRED)
    return known == desired == wanted(new) == new.status.available_replicas


def _proportional(deployment: Deployment, sets: Sequence[ReplicaSet]) -> Sizes:
    desired = replicas_of(deployment)
    allowed = desired + bounds(deployment)[0] if desired > 0 else 0
    to_add = allowed - total(sets)
    # Larger sets first, so that they take what rounding leaves; among equals the newer grow, the older shrink.
    ordered = sorted(sets, key=born, reverse=to_add > 0)
    ordered.sort(key=wanted, reverse=True)
    sizes: Sizes = {}
    added = 0
    for rs in ordered:
        share = _share(deployment, rs, to_add, added)
        sizes[rs.metadata.name] = wanted(rs) + share
        added += share
    if to_add != added:
        first = ordered[0].metadata.name
        sizes[first] = max(sizes[first] + to_add - added, 0)
    return sizes


def _share(deployment: Deployment, rs: ReplicaSet, to_add: int, added: int) -> int:
    if not wanted(rs) or not to_add or to_add == added:
        return 0
    fraction, rest = _fraction(deployment, rs), to_add - added
    return min(fraction, rest) if to_add > 0 else max(fraction, rest)


def _fraction(deployment: Deployment, rs: ReplicaSet) -> int:
    desired = replicas_of(deployment)
    if not desired:
        return -wanted(rs)
    size = desired + bounds(deployment)[0]
    before = annotation_number(rs, MAXIMUM) or deployment.status.replicas
    if not before:
        return 0
    exact = wanted(rs) * size / before
    return math.floor(exact + 0.5) - wanted(rs)


def is_scaling(deployment: Deployment, sets: Iterable[ReplicaSet]) -> bool:
    """Whether the Deployment was scaled since its sets were sized."""
    desired = replicas_of(deployment)
    known = [annotation_number(rs, DESIRED) for rs in active(sets)]
    return any(k is not None and k != desired for k in known)


def changed(sets: Iterable[ReplicaSet], sizes: Mapping[str, int]) -> bool:
    """Whether any size differs from what the set wants."""
    return any(sizes.get(rs.metadata.name, wanted(rs)) != wanted(rs) for rs in sets)
