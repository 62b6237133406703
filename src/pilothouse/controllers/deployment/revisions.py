"""ReplicaSets as revisions of a Deployment: which one has the current template, their numbers and annotations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from pilothouse.api.integers import integer
from pilothouse.api.types.apps.v1 import Deployment, ReplicaSet, ReplicaSetSpec
from pilothouse.api.types.core.v1 import PodTemplateSpec
from pilothouse.api.types.meta.v1 import LabelSelector, ObjectMeta
from pilothouse.semantics.ownership import controller_reference
from pilothouse.semantics.template_hash import LABEL, hash_of

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAXIMUM,
    )
)
HISTORY_LIMIT = 2000
replace = msgspec.structs.replace


def born(rs: ReplicaSet) -> tuple[str, str]:
    """Order by age, oldest first."""
    return rs.metadata.creation_timestamp, rs.metadata.name


def number(rs: ReplicaSet) -> int:
    """The revision of a ReplicaSet; 0 if it carries none."""
    return integer(rs.metadata.annotations.get(REVISION, "")) or 0


def same_template(one: PodTemplateSpec, other: PodTemplateSpec) -> bool:
    """Whether templates are equal but for the hash label."""
    if one.spec != other.spec:
        return False
    return replace(one.metadata, labels=_unhashed(one.metadata.labels)) == replace(
        other.metadata, labels=_unhashed(other.metadata.labels)
    )


def _unhashed(labels: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in labels.items() if k != LABEL}


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The oldest ReplicaSet with the Deployment's template."""
    return next(
        (rs for rs in sorted(sets, key=born) if same_template(rs.spec.template, deployment.spec.template)), None
    )


def find_old(new: ReplicaSet | None, sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return [rs for rs in sets if new is None or rs.metadata.uid != new.metadata.uid]


def next_number(old: Iterable[ReplicaSet]) -> int:
    return max(map(number, old), default=0) + 1


def annotations_for(deployment: Deployment, rs: ReplicaSet, revision: int) -> dict[str, str]:
    """The annotations that the current ReplicaSet should carry: the Deployment's, and its revision."""
    found = dict(rs.metadata.annotations)
    for name, value in deployment.metadata.annotations.items():
        if name not in NOT_COPIED:
            found[name] = value
    held = number(rs)
    if held < revision:
        before = found.get(REVISION)
        found[REVISION] = str(revision)
        if before is not None and held:
            found[HISTORY] = _history(found.get(HISTORY, ""), before)
    return found


def _history(held: str, before: str) -> str:
    entries = [e for e in held.split(",") if e]
    if before in entries:
        return held
    entries.append(before)
    while len(",".join(entries)) > HISTORY_LIMIT:
        entries.pop(0)
    return ",".join(entries)


def sized(rs: ReplicaSet, replicas: int, desired: int, surge: int) -> ReplicaSet:
    """`rs` with a size, and the Deployment's size at that time, by which a later scaling keeps proportions."""
    annotations = {**rs.metadata.annotations, DESIRED: str(desired), MAXIMUM: str(desired + surge)}
    metadata = replace(rs.metadata, annotations=annotations)
    return replace(rs, metadata=metadata, spec=replace(rs.spec, replicas=replicas))


def annotation_number(rs: ReplicaSet, name: str) -> int | None:
    return integer(rs.metadata.annotations.get(name, ""))


def make_new(deployment: Deployment, revision: int) -> ReplicaSet:
    """The ReplicaSet of the Deployment's present template, with no size yet."""
    spec = deployment.spec
    digest = hash_of(spec.template, deployment.status.collision_count)
    labels = {**spec.template.metadata.labels, LABEL: digest}
    template = replace(spec.template, metadata=replace(spec.template.metadata, labels=labels))
    selector = spec.selector or LabelSelector()
    meta = ObjectMeta(
        name=f"{deployment.metadata.name}-{digest}",
        namespace=deployment.metadata.namespace,
        labels=labels,
        owner_references=(controller_reference(deployment),),
    )
    made = ReplicaSet(
        metadata=meta,
        spec=ReplicaSetSpec(
            replicas=0,
            min_ready_seconds=spec.min_ready_seconds,
            selector=replace(selector, match_labels={**selector.match_labels, LABEL: digest}),
            template=template,
        ),
    )
    return replace(made, metadata=replace(meta, annotations=annotations_for(deployment, made, revision)))


def surplus(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond the history limit that hold nothing any more, lowest revisions first."""
    limit = deployment.spec.revision_history_limit
    if limit is None or limit == 2**31 - 1:
        return []
    alive = [rs for rs in old if rs.metadata.deletion_timestamp is None]
    excess = len(alive) - limit
    if excess <= 0:
        return []
    return [rs for rs in sorted(alive, key=number)[:excess] if idle(rs)]


def idle(rs: ReplicaSet) -> bool:
    """It has and wants no pods, and its status is up to date."""
    return not rs.status.replicas and not wanted(rs) and rs.metadata.generation <= rs.status.observed_generation


def wanted(rs: ReplicaSet) -> int:
    return 1 if rs.spec.replicas is None else rs.spec.replicas
