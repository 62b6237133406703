"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had, each once, the latest with the highest
number."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse.api.codec import json
from pilothouse.api.errors import StatusError
from pilothouse.api.types.apps.v1 import ControllerRevision
from pilothouse.api.types.core.v1 import PodTemplateSpec
from pilothouse.api.types.meta.v1 import ObjectMeta
from pilothouse.machinery.client import Client
from pilothouse.semantics.ownership import controller_reference
from pilothouse.semantics.template_hash import hash_of

HASH_LABEL = "controller.kubernetes.io/hash"
DEFAULT_LIMIT = 10
NOT_FOUND = 404
replace = msgspec.structs.replace


@dataclass(frozen=True, slots=True)
class Step:
    """What to write so that the present template is the latest revision: `create` it, or `update` an old one."""

    current: ControllerRevision
    create: bool = False
    update: bool = False


def data_of(template: PodTemplateSpec) -> dict[str, Any]:
    """A strategic merge patch that brings an object back to this template. Its keys are sorted: clients compare it byte
    by byte with one of their own making."""
    tree: dict[str, Any] = msgspec.json.decode(json.encode(template))
    return {"spec": {"template": _sorted({**tree, "$patch": "replace"})}}


def _sorted(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _sorted(tree[key]) for key in sorted(tree)}
    return [_sorted(item) for item in tree] if isinstance(tree, list) else tree


def template_of(revision: ControllerRevision) -> PodTemplateSpec:
    """The template that a revision holds. Raises msgspec.ValidationError if it holds something else."""
    tree = {k: v for k, v in revision.data["spec"]["template"].items() if k != "$patch"}
    return json.from_builtins(tree, PodTemplateSpec)


def hash_label(revision: ControllerRevision) -> str:
    """The hash of the revision's template; the name's tail if the label is gone."""
    return revision.metadata.labels.get(HASH_LABEL) or revision.metadata.name.rpartition("-")[2]


def decide(owner: Any, held: Sequence[ControllerRevision], extra_labels: Collection[str] = ()) -> Step:
    """Find or make the revision of the owner's present template among those it has."""
    data = data_of(owner.spec.template)
    latest = max((r.revision for r in held), default=0)
    same = max((r for r in held if r.data == data), key=lambda r: r.revision, default=None)
    if same is not None:
        if same.revision == latest:
            return Step(same)
        return Step(replace(same, revision=latest + 1), update=True)
    digest = hash_of(owner.spec.template, owner.status.collision_count)
    labels = {**owner.spec.template.metadata.labels, HASH_LABEL: digest}
    labels.update(dict.fromkeys(extra_labels, digest))
    meta = ObjectMeta(
        name=f"{owner.metadata.name}-{digest}",
        namespace=owner.metadata.namespace,
        labels=labels,
        annotations=owner.metadata.annotations,
        owner_references=(controller_reference(owner),),
    )
    return Step(ControllerRevision(metadata=meta, data=data, revision=latest + 1), create=True)


async def keep(
    client: Client, owner: Any, held: Sequence[ControllerRevision], extra_labels: Collection[str] = ()
) -> ControllerRevision | None:
    """The latest revision after writing what is missing; None if its name is taken by something else, and the owner's
    collision count has been raised."""
    step = decide(owner, held, extra_labels)
    if step.update:
        return await client.update(step.current)
    if not step.create:
        return step.current
    try:
        return await client.create(step.current)
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    other = await client.get(ControllerRevision, step.current.metadata.name, step.current.metadata.namespace)
    if other.data == step.current.data:
        return other
    status = replace(owner.status, collision_count=(owner.status.collision_count or 0) + 1)
    await client.update(replace(owner, status=status), subresource="status")
    return None


async def truncate(
    client: Client, held: Sequence[ControllerRevision], live: Collection[str], limit: int | None
) -> None:
    """Delete the oldest revisions beyond the limit; those named in `live` are in use and stay."""
    dead = sorted((r for r in held if r.metadata.name not in live), key=lambda r: r.revision)
    excess = len(dead) - (DEFAULT_LIMIT if limit is None else limit)
    for revision in dead[: max(excess, 0)]:
        try:
            await client.delete(ControllerRevision, revision.metadata.name, revision.metadata.namespace)
        except StatusError as error:
            if error.code != NOT_FOUND:
                raise
